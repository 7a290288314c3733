/** AIO's registry in a configuration. */

import { FleetError } from '../../core/fleetError.js';
import { backendOf } from '../backend.js';
import { lazyDiscovery, lazyRegistry } from '../lazyDiscovery.js';
import { duration, text, texts, yesNo, type ValuesOf } from '../setting.js';

const section = {
  /** The servers. */
  registry_addr: texts({ aliases: ['endpoints', 'registry', 'address', 'addresses', 'url'] }),
  client_key: text({ aliases: ['key'] }),
  client_secret: text({ secret: true, aliases: ['secret'] }),
  disable_auth: yesNo({ default: false }),
  env: text({ default: 'dev', aliases: ['environment'] }),
  project: text(),
  call_timeout: duration({ default: 10_000, aliases: ['timeout'] }),
  /** Life of what is registered, without a heartbeat. */
  ttl: duration({ default: 60_000, note: () => 'counts when registering' }),
};

/** `aio`. */
export const aioBackend = backendOf({
  name: 'aio',
  aliases: [],
  section,
  usage: 'aio://key:secret@host:port/project/service[?env=prod]',
  takesUser: true,
  fromUrl: ({ user, password, hosts, segments }) => ({
    settings: {
      registry_addr: hosts.length > 0 ? hosts : undefined,
      client_key: user,
      client_secret: password,
      project: segments.length > 1 ? segments[0] : undefined,
    },
    service: segments.at(-1),
  }),
  discovery: (values, path) => {
    const options = access(values, path);
    return lazyDiscovery(() => import('../../discovery/aio.js').then(({ aio }) => aio(options)));
  },
  registry: (values, path) => {
    const options = { ...access(values, path), ttlMs: values.ttl };
    return lazyRegistry('aio', () =>
      import('../../registration/aio.js').then(({ aioRegistry }) => aioRegistry(options)),
    );
  },
});

function access(values: ValuesOf<typeof section>, path: string) {
  const { registry_addr, client_key, client_secret, disable_auth, env, project, call_timeout } = values;
  if (registry_addr === undefined) {
    throw new FleetError('INVALID_OPTION', `${path}.registry_addr must be given: host:port of the AIO server`);
  }
  if (!disable_auth && (client_key === undefined || client_secret === undefined)) {
    const missing = client_key === undefined ? 'client_key' : 'client_secret';
    throw new FleetError('INVALID_OPTION', `${path}.${missing} must be given, or ${path}.disable_auth set to true`);
  }
  return {
    registryAddr: registry_addr,
    disableAuth: disable_auth,
    env,
    callTimeoutMs: call_timeout,
    ...(client_key === undefined ? {} : { clientKey: client_key }),
    ...(client_secret === undefined ? {} : { clientSecret: client_secret }),
    ...(project === undefined ? {} : { project }),
  };
}
