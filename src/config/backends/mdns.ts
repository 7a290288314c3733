/** Multicast DNS in a configuration. */

import { backendOf } from '../backend.js';
import { lazyDiscovery, lazyRegistry } from '../lazyDiscovery.js';
import { duration, text, texts, whole, type ValuesOf } from '../setting.js';

const section = {
  /** Names or addresses. Default: every one that is up. */
  interfaces: texts({ aliases: ['interface'] }),
  domain: text({ default: 'local' }),
  port: whole(1, 65_535)({ default: 5_353 }),
  /** How long silence must last to mean that there is nobody. */
  initial_window: duration({ default: 1_500 }),
};

/** `mdns`. */
export const mdnsBackend = backendOf({
  name: 'mdns',
  aliases: ['zeroconf', 'bonjour'],
  section,
  usage: 'mdns://[service][?interfaces=eth0]',
  fromUrl: ({ hosts, segments }) => ({ settings: {}, service: hosts[0] ?? segments[0] }),
  discovery: (values) => {
    const options = { ...network(values), initialWindowMs: values.initial_window };
    return lazyDiscovery(() => import('../../discovery/mdns.js').then(({ mdns }) => mdns(options)));
  },
  registry: (values) => {
    const options = network(values);
    return lazyRegistry('mdns', () =>
      import('../../registration/mdns.js').then(({ mdnsRegistry }) => mdnsRegistry(options)),
    );
  },
});

function network({ interfaces, domain, port }: ValuesOf<typeof section>) {
  return { domain, port, ...(interfaces === undefined ? {} : { interfaces }) };
}
