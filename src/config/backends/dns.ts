/** DNS in a configuration. */

import { staticNodes } from '../../discovery/staticNodes.js';
import { backendOf } from '../backend.js';
import { lazyDiscovery } from '../lazyDiscovery.js';
import { choice, duration, text, texts, whole } from '../setting.js';

const section = {
  /** What services stand under. */
  domain: text(),
  /** The nodes themselves: with these DNS is not asked, as in flare. */
  addresses: texts({ note: () => 'these are the nodes: DNS is not asked' }),
  resolvers: texts({ aliases: ['resolver', 'servers'] }),
  record: choice({ srv: [], a: ['aaaa', 'address'] })({ default: 'srv', aliases: ['type'] }),
  /** For `record = "a"`. */
  port: whole(1, 65_535)(),
  protocol: text({ default: 'tcp' }),
  min_ttl: duration({ default: 1_000 }),
  max_ttl: duration({ default: 300_000 }),
  timeout: duration({ default: 2_000 }),
};

/** `dns`. Read-only. */
export const dnsBackend = backendOf({
  name: 'dns',
  aliases: ['dns-srv', 'srv'],
  section,
  usage: 'dns://[resolver:port]/service[?domain=example.org&record=srv]',
  fromUrl: ({ hosts, segments }) => ({
    settings: { resolvers: hosts.length > 0 ? hosts : undefined },
    service: segments.join('/') || undefined,
  }),
  discovery: ({ domain, addresses, resolvers, record, port, protocol, min_ttl, max_ttl, timeout }) => {
    if (addresses) return staticNodes(addresses);
    const options = {
      type: record,
      protocol,
      minTtlMs: min_ttl,
      maxTtlMs: max_ttl,
      timeoutMs: timeout,
      ...(domain === undefined ? {} : { domain }),
      ...(resolvers === undefined ? {} : { resolvers }),
      ...(port === undefined ? {} : { port }),
    };
    return lazyDiscovery(() => import('../../discovery/dns.js').then(({ dns }) => dns(options)));
  },
});
