/** A Lumen host broker in a configuration. */

import { backendOf } from '../backend.js';
import { lazyDiscovery } from '../lazyDiscovery.js';
import { choice, duration, labels, text } from '../setting.js';
import { tlsOf, tlsSection } from '../tls.js';

const section = {
  url: text({ default: 'http://127.0.0.1:5866', aliases: ['address'] }),
  mode: choice({ auto: [], watch: [], poll: [] })({ default: 'auto' }),
  deployment: text({ default: 'local' }),
  /** Sent with each request. */
  headers: labels({ secret: true }),
  /** How often to ask when polling. */
  poll: duration({ default: 30_000, aliases: ['poll_interval', 'scan_interval'] }),
  timeout: duration({ default: 10_000 }),
  tls: tlsSection,
};

/** `broker`. Read-only. */
export const brokerBackend = backendOf({
  name: 'broker',
  aliases: ['lumen-broker', 'hostbroker'],
  section,
  usage: 'broker://host:port[/prefix][?mode=watch]',
  fromUrl: ({ hosts, path, query }) => {
    const secure = Object.keys(query).some((key) => key.startsWith('tls.') && query['tls.enabled'] !== 'false');
    const host = hosts.join(',');
    return { settings: { url: host === '' ? undefined : `${secure ? 'https' : 'http'}://${host}${path}` } };
  },
  discovery: (values, path) => {
    const { url, mode, deployment, headers, poll, timeout } = values;
    const tls = tlsOf(values.tls, `${path}.tls`);
    const options = {
      ...{ url, mode, deployment, pollMs: poll, timeoutMs: timeout },
      ...(headers === undefined ? {} : { headers }),
      ...(tls ? { tls } : {}),
    };
    return lazyDiscovery(() => import('../../discovery/broker.js').then(({ broker }) => broker(options)));
  },
});
