/** etcd in a configuration. */

import { backendOf } from '../backend.js';
import { lazyDiscovery, lazyRegistry } from '../lazyDiscovery.js';
import { choice, duration, text, texts, type ValuesOf } from '../setting.js';
import { tlsOf, tlsSection } from '../tls.js';

const section = {
  /** The members. */
  endpoints: texts({ default: ['127.0.0.1:2379'], aliases: ['endpoint', 'addresses', 'url'] }),
  /** How keys and values are written. flare's own by default, as these files are flare's; `rxfleet` in a URL. */
  layout: choice({ rxfleet: [], flare: [], flareLegacy: [], fyer: ['fyerrpc', 'fyer-rpc'], grpcGo: [] })({
    default: 'flare',
  }),
  /** Stands before every key. */
  service_prefix: text({ aliases: ['prefix'] }),
  /** Life of what is registered. */
  ttl: duration({ default: 90_000, note: () => 'counts when registering' }),
  user: text({ aliases: ['username'] }),
  password: text({ secret: true }),
  request_timeout: duration({ default: 5_000, aliases: ['timeout'] }),
  tls: tlsSection,
};

/** `etcd`. */
export const etcdBackend = backendOf({
  name: 'etcd',
  aliases: ['etcd3'],
  section,
  usage: 'etcd://[user:password@]host:port[,host:port]/service[?layout=flare]',
  urlDefaults: { layout: 'rxfleet' },
  takesUser: true,
  fromUrl: ({ user, password, hosts, segments }) => ({
    settings: { user, password, endpoints: hosts.length > 0 ? hosts : undefined },
    service: segments.at(-1),
    namespace: segments.length > 1 ? segments.slice(0, -1).join('/') : undefined,
  }),
  discovery: (values, path) => {
    const options = connection(values, path);
    return lazyDiscovery(() => import('../../discovery/etcd.js').then(({ etcd }) => etcd(options)));
  },
  registry: (values, path) => {
    const options = { ...connection(values, path), ttlMs: values.ttl };
    return lazyRegistry('etcd', () =>
      import('../../registration/etcd.js').then(({ etcdRegistry }) => etcdRegistry(options)),
    );
  },
});

function connection(values: ValuesOf<typeof section>, path: string) {
  const { endpoints, layout, service_prefix, user, password, request_timeout } = values;
  const tls = tlsOf(values.tls, `${path}.tls`);
  return {
    endpoints,
    layout,
    requestTimeoutMs: request_timeout,
    ...(service_prefix === undefined ? {} : { prefix: service_prefix }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls } : {}),
  };
}
