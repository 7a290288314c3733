/** Consul in a configuration. */

import { backendOf } from '../backend.js';
import { lazyDiscovery, lazyRegistry } from '../lazyDiscovery.js';
import { choice, duration, text, yesNo, type ValuesOf } from '../setting.js';
import { tlsOf, tlsSection } from '../tls.js';

const section = {
  /** The agent. */
  url: text({ default: 'http://127.0.0.1:8500', aliases: ['address', 'addr', 'endpoint', 'endpoints'] }),
  /** How facts are written. flare's own by default, as these files are flare's; `rxfleet` in a URL. */
  layout: choice({ rxfleet: [], flare: [] })({ default: 'flare' }),
  token: text({ secret: true, aliases: ['acl_token'] }),
  datacenter: text({ aliases: ['dc'] }),
  /** The namespace of Consul Enterprise. */
  consul_namespace: text({ aliases: ['enterprise_namespace'] }),
  /** Only instances whose checks pass. */
  passing_only: yesNo({ default: true, aliases: ['passing'] }),
  mode: choice({ default: [], stale: [], consistent: [] })({ default: 'default', aliases: ['consistency'] }),
  /** How long a query is held back while nothing changes. */
  wait: duration({ default: 300_000 }),
  /** Life of what is registered, without a heartbeat. */
  ttl: duration({ default: 90_000, note: () => 'counts when registering' }),
  request_timeout: duration({ default: 10_000, aliases: ['timeout'] }),
  tls: tlsSection,
};

/** `consul`. */
export const consulBackend = backendOf({
  name: 'consul',
  aliases: [],
  section,
  usage: 'consul://host:port/service[?token=…&datacenter=…&layout=flare]',
  urlDefaults: { layout: 'rxfleet' },
  fromUrl: ({ hosts, segments, query }) => {
    const secure = Object.keys(query).some((key) => key.startsWith('tls.') && query['tls.enabled'] !== 'false');
    const host = hosts.join(',');
    return {
      settings: { url: host === '' ? undefined : `${secure ? 'https' : 'http'}://${host}` },
      service: segments.at(-1),
      namespace: segments.length > 1 ? segments.slice(0, -1).join('/') : undefined,
    };
  },
  discovery: (values, path) => {
    const { passing_only, mode, wait } = values;
    const options = { ...connection(values, path), passingOnly: passing_only, mode, waitMs: wait };
    return lazyDiscovery(() => import('../../discovery/consul.js').then(({ consul }) => consul(options)));
  },
  registry: (values, path) => {
    const options = { ...connection(values, path), check: { ttlMs: values.ttl } };
    return lazyRegistry('consul', () =>
      import('../../registration/consul.js').then(({ consulRegistry }) => consulRegistry(options)),
    );
  },
});

function connection(values: ValuesOf<typeof section>, path: string) {
  const { url, layout, token, datacenter, consul_namespace, request_timeout } = values;
  const tls = tlsOf(values.tls, `${path}.tls`);
  return {
    address: url,
    layout,
    requestTimeoutMs: request_timeout,
    ...(token === undefined ? {} : { token }),
    ...(datacenter === undefined ? {} : { datacenter }),
    ...(consul_namespace === undefined ? {} : { namespace: consul_namespace }),
    ...(tls ? { tls } : {}),
  };
}
