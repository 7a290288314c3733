/** `rxfleet config explain`, and `--discovery` for nodes and infer. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLumenNode, type LumenNode } from '../../src/testing/index.js';
import { seeds } from '../config/seeds.js';
import { rxfleet } from './running.js';

let folder: string;
let node: LumenNode;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rxfleet-cli-'));
  node = await startLumenNode({ name: 'hub-1' });
});
afterAll(async () => {
  await node.close();
  await rm(folder, { recursive: true });
});

describe('config explain', () => {
  it('shows each value and where it came from', async () => {
    const file = join(folder, 'etcd.toml');
    await writeFile(file, seeds.etcd);
    const { code, stdout, stderr } = await rxfleet('config', 'explain', file);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^SETTING +VALUE +FROM +NOTE\n/);
    expect(stdout).toMatch(new RegExp(`discovery\\.load_balance +"consistent_hash" +file ${file}`));
    expect(stdout).toMatch(/discovery\.backend_config\.layout +"flare" +default/);
    const { stdout: json } = await rxfleet('config', 'explain', file, '--json');
    expect(JSON.parse(json)).toContainEqual({
      path: 'discovery.backend_config.endpoints',
      value: ['http://localhost:2379'],
      origin: `file ${file}`,
      variable: 'RXFLEET_DISCOVERY_BACKEND_CONFIG_ENDPOINTS',
    });
  });

  it('names the setting that makes no sense, and exits with 1', async () => {
    const file = join(folder, 'bad.toml');
    await writeFile(file, seeds.etcd.replace('endpoints', 'endpionts'));
    const { code, stdout, stderr } = await rxfleet('config', 'explain', file);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/discovery\.backend_config\.endpionts is not known; did you mean "endpoints"/);
  });
});

describe('--discovery', () => {
  it('lists the nodes of a file, and infers over them, without asking the network', async () => {
    const file = join(folder, 'nodes.json');
    await writeFile(file, JSON.stringify([{ id: 'hub-1', address: node.address }]));
    const { stdout, stderr } = await rxfleet('nodes', '-d', `file:${file}`, '--json');
    expect(JSON.parse(stdout), stderr).toMatchObject([
      { id: 'hub-1', address: node.address, sources: ['file'], routable: true },
    ]);
    const { stdout: echoed } = await rxfleet('infer', '-d', `file:${file}`, '-t', 'echo', 'hello');
    expect(echoed.trim()).toBe('hello');
  });

  it('that nobody answers says so', async () => {
    const { code, stderr } = await rxfleet('nodes', '-d', 'file:nowhere.json', '--timeout', '500');
    expect(code).toBe(1);
    expect(stderr).toMatch(/No node was found/);
    expect(stderr).not.toMatch(/mDNS/);
  });
});
