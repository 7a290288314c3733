/** What a configuration refuses, in words that lead to the mistake. */

import { createFleetFromConfig, type ConfigSource } from '../../src/config/index.js';
import { backends, fleetSection } from '../../src/config/fleetConfig.js';
import { isSetting, plain, type Section } from '../../src/config/setting.js';
import { FleetError } from '../../src/index.js';

function refusal(source: unknown): FleetError {
  try {
    void createFleetFromConfig(source as ConfigSource).close();
  } catch (error) {
    return error as FleetError;
  }
  throw new Error('it was taken');
}

const etcd = (more: object = {}, config: object = {}) => ({
  discovery: { backend: 'etcd', backend_config: { service_type: 'x', ...config }, ...more },
});

describe('a configuration that makes no sense', () => {
  it.each<[string, unknown, RegExp]>([
    ['nothing at all', {}, /discovery\.backend must be given: one of etcd, consul, dns/],
    ['an unknown backend', etcd({ backend: 'etdc' }), /discovery\.backend .*not "etdc"; did you mean "etcd"\?/],
    ['no service', { discovery: { backend: 'etcd' } }, /backend_config\.service_type must be given/],
    ['an unknown table', { ...etcd(), transprot: {} }, /^transprot is not known; did you mean "transport"\?/],
    [
      'an unknown setting',
      etcd({}, { endpoins: ['a:1'] }),
      /backend_config\.endpoins is not known; did you mean "endpoints"/,
    ],
    ['two letters swapped', etcd({ refersh_interval: 5 }), /discovery\.refersh_interval .*"refresh_interval"/],
    [
      'a setting of another backend',
      etcd({}, { datacenter: 'a' }),
      /datacenter is not known: it is a setting of consul/,
    ],
    ['a strategy that is none', etcd({ load_balance: 'best' }), /discovery\.load_balance must be one of round_robin, /],
    ['a time that is none', etcd({ refresh_interval: 'soon' }), /discovery\.refresh_interval must be a time .*"soon"/],
    ['a time of nothing', etcd({}, { ttl: 0 }), /discovery\.backend_config\.ttl must be a time above 0.*not 0/],
    [
      'a threshold of nothing',
      etcd({ health_check: { failure_threshold: 0 } }),
      /health_check\.failure_threshold must be a whole/,
    ],
    ['a text for a table', etcd({ namespace: 'production' }), /discovery\.namespace must be a table, not "production"/],
    [
      'an unknown separator',
      etcd({ namespace: { separator: ':' } }),
      /discovery\.namespace\.separator must be one of \//,
    ],
    ['no list', etcd({}, { endpoints: [] }), /backend_config\.endpoints must be a list/],
    [
      'a filter without a key',
      etcd({ tag_filters: [{ key: 'a' }, { value: 'x' }] }),
      /discovery\.tag_filters\[1\]\.key must be given/,
    ],
    [
      'a filter with a slip',
      etcd({ tag_filters: [{ key: 'a', patern: 'x' }] }),
      /tag_filters\[0\]\.patern .*"pattern"/,
    ],
    [
      'a filter that is no expression',
      etcd({ tag_filters: [{ key: 'a', value: '(', pattern: 'regex' }] }),
      /tag_filters\[0\]/,
    ],
    [
      'a version that is none',
      etcd({ version: { default: 'canary' } }),
      /discovery\.version.*canary.*format to "exact"/,
    ],
    [
      'a certificate that is not there',
      etcd({}, { tls: { ca_file: '/nowhere.pem' } }),
      /tls\.ca_file cannot be read: .*nowhere/,
    ],
    ['both a URL and another backend', { discovery: { backend: 'etcd', url: 'dns:///x' } }, /discovery\.url of dns/],
    ['aio without a key', { discovery: { url: 'aio://127.0.0.1:1/p/s' } }, /backend_config\.client_key must be given/],
    ['a file that is not there', 'nowhere.toml', /nowhere\.toml cannot be read/],
    ['a file of an unknown kind', 'fleet.ini', /fleet\.ini/],
    ['a list', [], /a configuration is the path of a file, an object/],
  ])('%s is refused with the path of the setting', (_, source, message) => {
    const error = refusal(source);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(message);
  });

  it('says which source it stands in', () => {
    expect(refusal(etcd({ refresh_interval: 'x' })).message).toMatch(/\(object\)$/);
    const env = { RXFLEET_DISCOVERY_REFRESH_INTERVAL: 'x' };
    expect(refusal({ config: etcd(), env }).message).toMatch(/\(env RXFLEET_DISCOVERY_REFRESH_INTERVAL\)$/);
  });

  it('refuses a slip in the name of an environment variable, and leaves those of others alone', () => {
    const error = refusal({
      config: etcd(),
      env: { RXFLEET_DISCOVERY_LOAD_BALANC: 'random', RXFLEET_LONG: '1', HOME: '/' },
    });
    expect(error.message).toMatch(
      /RXFLEET_DISCOVERY_LOAD_BALANC is not known; did you mean "RXFLEET_DISCOVERY_LOAD_BALANCE"/,
    );
  });

  it.each([
    ['a password', etcd({}, { user: 'u', password: ['hunter2'] })],
    ['a token', { discovery: { backend: 'consul', backend_config: { token: 5, tokken: 'hunter2' } } }],
    ['a login in a URL', { discovery: { url: 'etcd://u:hunter2@h:1/x?layout=none' } }],
    ['a token in a URL', { discovery: { url: 'konsul://h:1/x?token=hunter2' } }],
    ['a login in an endpoint', etcd({}, { endpoints: ['http://u:hunter2@h:1'], ttl: 'x' })],
    ['a password with a slash', { discovery: { url: 'etcd://u:hunter2/x@h:1/x' } }],
    ['a broken escape', { discovery: { url: 'etcd://u:hunter2%@h:1/x' } }],
    ['a login where none is taken', { discovery: { url: 'consul://u:hunter2@h:1/x' } }],
  ])('never shows %s', (_, source) => {
    expect(JSON.stringify(refusal(source))).not.toContain('hunter2');
  });
});

describe('the schema', () => {
  it('has no name twice within a table, nor two settings with one environment variable', () => {
    const check = (section: Section, path: string, variables: Map<string, string>) => {
      const names = new Map<string, string>();
      for (const [name, entry] of Object.entries(section)) {
        const all = [name, ...(isSetting(entry) ? entry.aliases : [])].map(plain);
        for (const each of all) {
          expect(names.get(each), `${path}${name}: ${each}`).toBeUndefined();
          names.set(each, name);
        }
        const variable = `${path}${name}`.replaceAll('.', '_');
        expect(variables.get(variable)).toBeUndefined();
        if (isSetting(entry)) variables.set(variable, name);
        else check(entry, `${path}${name}.`, variables);
      }
    };
    for (const { section } of backends) {
      const whole = { ...fleetSection, discovery: { ...fleetSection.discovery, backend_config: section as Section } };
      check(whole as unknown as Section, '', new Map());
    }
  });

  it('has each name of a backend once', () => {
    const names = backends.flatMap(({ name, aliases }) => [name, ...aliases]).map(plain);
    expect(new Set(names).size).toBe(names.length);
  });
});
