/** What counts in a configuration, and where it came from. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { explainConfig, type ConfigSource } from '../../src/config/index.js';
import { flareConfig, seeds } from './seeds.js';

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rxfleet-explain-'));
  file = join(folder, 'fleet.toml');
  writeFileSync(file, seeds.etcd);
});
afterAll(() => rmSync(folder, { recursive: true }));

const settingOf = (source: ConfigSource, path: string) => explainConfig(source).find((each) => each.path === path);

describe('explainConfig', () => {
  it('tells each value of the file as the file has it, and the defaults beside it', () => {
    const origin = `file ${file}`;
    expect(settingOf(file, 'discovery.backend')).toMatchObject({ value: 'etcd', origin });
    expect(settingOf(file, 'discovery.refresh_interval')).toMatchObject({ value: '30s', origin });
    expect(settingOf(file, 'discovery.version.default')).toMatchObject({ value: 'v1.0.0', origin });
    expect(settingOf(file, 'discovery.backend_config.layout')).toMatchObject({ value: 'flare', origin: 'default' });
    expect(settingOf(file, 'discovery.backend_config.ttl')).toMatchObject({
      value: '30s',
      note: 'counts when registering',
    });
    expect(settingOf(file, 'calls.max_attempts')).toMatchObject({ value: 3, origin: 'default' });
  });

  it('lets the environment count in the place of the object, and the object in that of the file', () => {
    const config = { discovery: { load_balance: 'random', refresh_interval: '1m' } };
    const env = { RXFLEET_DISCOVERY_LOAD_BALANCE: 'p2c', RXFLEET_DISCOVERY_NAMESPACE_DEFAULT: '' };
    const sources = { file, config, env };
    expect(settingOf(sources, 'discovery.load_balance')).toMatchObject({
      value: 'power_of_two',
      origin: 'env RXFLEET_DISCOVERY_LOAD_BALANCE',
    });
    expect(settingOf(sources, 'discovery.refresh_interval')).toMatchObject({ value: '60s', origin: 'object' });
    expect(settingOf(sources, 'discovery.namespace.default')).toMatchObject({
      value: 'production',
      origin: `file ${file}`,
    });
  });

  it('does with the environment alone', () => {
    const env = {
      RXFLEET_DISCOVERY_BACKEND: 'consul',
      RXFLEET_DISCOVERY_BACKEND_CONFIG_SERVICE_TYPE: 'x',
      RXFLEET_DISCOVERY_BACKEND_CONFIG_PASSING_ONLY: 'false',
      RXFLEET_DISCOVERY_TAG_FILTERS: 'gpu,zone=eu-*',
      RXFLEET_DISCOVERY_HEALTH_CHECK_INTERVAL: '500ms',
    };
    const settings = Object.fromEntries(explainConfig({ env }).map(({ path, value }) => [path, value]));
    expect(settings).toMatchObject({
      'discovery.backend': 'consul',
      'discovery.backend_config.passing_only': false,
      'discovery.tag_filters': ['gpu', 'zone=eu-*'],
      'discovery.health_check.enabled': true,
      'discovery.health_check.interval': '500ms',
    });
  });

  it('takes the documented health check by default, and says that a path is not asked for', () => {
    const config = flareConfig as ConfigSource;
    const of = (name: string) => settingOf(config, `discovery.health_check.${name}`);
    expect(
      ['enabled', 'interval', 'timeout', 'failure_threshold', 'success_threshold'].map((name) => of(name)?.value),
    ).toEqual([true, '10s', '5s', 3, 2]);
    expect(of('path')?.note).toMatch(/not asked for/);
  });

  it('says that the addresses of a dns configuration are the nodes', () => {
    const config = { discovery: { backend: 'dns', backend_config: { addresses: ['127.0.0.1:1'] } } };
    expect(settingOf(config, 'discovery.backend_config.addresses')?.note).toMatch(/DNS is not asked/);
  });

  it('hides every secret, and the logins in URLs', () => {
    const sources: ConfigSource[] = [
      { discovery: { url: 'etcd://me:hunter2@h:1/x' } },
      { discovery: { url: 'consul://h:1/x?token=hunter2' } },
      { discovery: { url: 'aio://me:hunter2@h:1/p/x' } },
      { discovery: { backend: 'broker', backend_config: { url: 'http://me:hunter2@h:1', headers: { a: 'hunter2' } } } },
    ];
    for (const source of sources) {
      const text = JSON.stringify(explainConfig(source));
      expect(text).not.toContain('hunter2');
      expect(text).toMatch(/hidden|\*\*\*/);
    }
  });
});
