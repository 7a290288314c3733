import { appendFile, mkdir, mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, type Subscription } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import type { DiscoveryEvent, DiscoveryQuery } from '../../src/discovery/discovery.js';
import { file, type FileOptions } from '../../src/discovery/file.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';
import { until } from '../support/until.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'rxfleet-file-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

/** By rename, as most programs and editors do it. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}~`, text);
  await rename(`${path}~`, path);
}

/** Watches of the system that this process holds, by what Linux tells of them. */
function inotifyWatches(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap').length;
}

interface Entry {
  readonly id: string;
  readonly address: string;
}

function harness(ending: string, write: (entries: readonly unknown[]) => string): DiscoveryHarness {
  let path: string;
  let entries: Entry[] = [];
  let bad: unknown[] = [];
  const save = () => replace(path, write([...entries, ...bad]));
  const entry = ({ name, port }: TestNode) => ({ id: name, address: `127.0.0.1:${port}` });
  return {
    start: () => {
      path = join(folder, `nodes.${ending}`);
      entries = [];
      bad = [];
      return save();
    },
    stop: () => undefined,
    discovery: () => file(path, { settleMs: 5, pollMs: 1_000 }),
    add: (node) => {
      entries.push(entry(node));
      return save();
    },
    update: (node) => {
      entries = entries.map((each) => (each.id === node.name ? entry(node) : each));
      return save();
    },
    remove: (name) => {
      entries = entries.filter(({ id }) => id !== name);
      return save();
    },
    addBad: () => {
      bad = [{ id: 'bad', address: 'nowhere' }];
      return save();
    },
    cut: () => rename(path, `${path}.away`),
    restore: () => (path ? rm(`${path}.away`, { force: true }).then(save) : undefined),
    opened: inotifyWatches,
  };
}

const inToml = (entries: readonly unknown[]) =>
  entries.length === 0
    ? 'nodes = []\n'
    : entries
        .map(
          (each) =>
            `[[nodes]]\n${Object.entries(each as object)
              .map(([k, v]) => `${k} = "${v}"`)
              .join('\n')}\n`,
        )
        .join('\n');
const inYaml = (entries: readonly unknown[]) => `nodes: ${JSON.stringify(entries)}\n`;

testDiscovery(
  'a JSON file',
  harness('json', (entries) => JSON.stringify(entries)),
);
testDiscovery('a YAML file', harness('yaml', inYaml));
testDiscovery('a TOML file', harness('toml', inToml));

describe('file', () => {
  const watched: Subscription[] = [];
  const sets: NodeSet[] = [];
  const events: DiscoveryEvent[] = [];
  const query: DiscoveryQuery = { service: 'lumen', onEvent: (event) => events.push(event) };
  const ids = () =>
    sets
      .at(-1)
      ?.nodes.map(({ id }) => id)
      .join(' ');
  const fresh = (wanted: string) => () => ids() === wanted && sets.at(-1)!.stale === undefined;
  const at = (name: string) => join(folder, name);
  const watch = (path: string, options: FileOptions = {}) =>
    watched.push(file(path, { settleMs: 10, ...options })(query).subscribe((set) => sets.push(set)));
  const read = async (name: string, text: string, asked = query) => {
    await writeFile(at(name), text);
    return firstValueFrom(file(at(name), { settleMs: 0 })(asked));
  };

  afterEach(() => {
    for (const each of watched.splice(0)) each.unsubscribe();
    sets.length = events.length = 0;
  });

  it('reads all that a node may say', async () => {
    const set = await read(
      'nodes.yaml',
      `nodes:
        - 10.0.0.5:50051
        - { address: '10.0.0.6:50051', id: gpu-1, service: lumen, weight: 3, zone: eu-1, region: eu, version: '1.10',
            namespace: prod, tags: [gpu, env=prod, note=a=b], metadata: { runtime: cuda, slots: 4, warm: true } }
        - { addresses: ['[::1]:1', { host: node-3, port: 2 }], tags: { gpu: null, shard: 7 } }`,
    );
    expect(set.nodes).toMatchObject([
      { id: '10.0.0.5:50051', service: 'lumen', weight: 1, sources: ['file'] },
      {
        id: 'gpu-1',
        weight: 3,
        zone: 'eu-1',
        region: 'eu',
        version: '1.10',
        namespace: 'prod',
        tags: { gpu: '', env: 'prod', note: 'a=b' },
        metadata: { runtime: 'cuda', slots: '4', warm: 'true' },
      },
      { id: '[::1]:1', addresses: [{ port: 1 }, { host: 'node-3', port: 2 }], tags: { gpu: '', shard: '7' } },
    ]);
    expect(events).toEqual([]);
  });

  it('leaves out what is of another service or namespace', async () => {
    const text = JSON.stringify([
      'h:1',
      { address: 'h:2', service: 'other' },
      { address: 'h:3', namespace: 'test' },
      { address: 'h:4', namespace: 'prod' },
    ]);
    const set = await read('n.json', text, { ...query, namespace: 'prod' });
    expect(set.nodes.map(({ id }) => id)).toEqual(['h:1', 'h:4']);
    expect((await read('n.json', '[{"address":"h:2","service":"other"}]')).size).toBe(0);
  });

  it('skips what is no node, and tells of slips of the pen, with the file and the entry', async () => {
    const set = await read(
      'nodes.json',
      JSON.stringify([
        { address: 'h:1', wieght: 3 },
        { address: 'h' },
        { address: 'h:2', weight: -1 },
        { address: 'h:3', version: 1.1 },
        { address: 'h:1' },
        7,
      ]),
    );
    expect(set.nodes.map(({ id }) => id)).toEqual(['h:1']);
    expect(events.map(({ type }) => type)).toEqual(Array(6).fill('skipped'));
    const messages = events.map(({ message }) => message.replace(at('nodes.json'), 'nodes.json'));
    expect(messages).toEqual([
      'nodes.json: entry 1: "wieght" is not known, and passed over',
      expect.stringMatching(/^nodes\.json: entry 2 is skipped: "h" is no address/),
      expect.stringMatching(/^nodes\.json: entry 3 is skipped: weight/),
      expect.stringMatching(/^nodes\.json: entry 4 is skipped: version must be a text: put it in quotes/),
      expect.stringMatching(/^nodes\.json: entry 5 is skipped: id "h:1" is that of entry 1/),
      expect.stringMatching(/^nodes\.json: entry 6 is skipped/),
    ]);
  });

  it.each([
    ['json', '{"nodes":[{"address":"h:1","password":"hunter2"}', /JSON/],
    ['yaml', 'nodes:\n  - {address: "h:1", password: hunter2', /YAML.*line 2/],
    ['toml', '[[nodes]]\npassword = "hunter2"\naddress = h:1\n', /TOML.*line 3/],
    ['yaml', '', /list of nodes/],
    ['toml', '# being written\n', /list of nodes/],
    ['json', '{"nods":[]}', /found an object with nods/],
    ['yaml', 'nodes:\n', /list of nodes/],
    ['json', '["a","b"]', /none of its 2 entries/],
    [
      'yaml',
      'a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nnodes: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]',
      /./,
    ],
  ])('a broken .%s (%j) leaves the nodes, stale, says where, and quotes none of it', async (ending, text, where) => {
    const path = at(`nodes.${ending}`);
    await replace(path, ending === 'toml' ? 'nodes = ["h:1"]' : '["h:1"]');
    watch(path);
    await until('the first set', () => sets.length === 1);
    await replace(path, text);
    await until('it is stale', () => sets.at(-1)!.stale !== undefined);
    expect(ids()).toBe('h:1');
    expect(sets.at(-1)!.stale!.reason).toMatch(where);
    const told = events.filter(({ type }) => type === 'disconnected');
    expect(told).toHaveLength(1);
    expect(told[0]!.message).toContain(path);
    expect(JSON.stringify([sets.at(-1)!.stale, events.map(({ message }) => message)])).not.toContain('hunter2');
    await replace(path, ending === 'toml' ? 'nodes = ["h:1", "h:2"]' : '["h:1","h:2"]');
    await until('it is fresh', fresh('h:1 h:2'));
    expect(events.at(-1)!.type).toBe('connected');
  });

  it('reads no half of a file that is written slowly', async () => {
    const path = at('nodes.yaml');
    await writeFile(path, '- h:99\n');
    watch(path, { settleMs: 300 });
    await until('the first set', () => sets.length === 1);
    await writeFile(path, '');
    for (let i = 1; i <= 10; i++) {
      await appendFile(path, `- h:${i}\n`);
      await new Promise((done) => setTimeout(done, 15));
    }
    await until('all is there', () => sets.length > 1);
    expect(sets.map(({ size }) => size)).toEqual([1, 10]);
  });

  it('follows a file that is replaced again and again, and the drafts beside it do not matter', async () => {
    const path = at('nodes.json');
    await replace(path, '["h:1"]');
    watch(path, { pollMs: Infinity });
    const waits: number[] = [];
    for (let i = 2; i < 30; i++) {
      await writeFile(at('.nodes.json.swp'), 'draft');
      const begun = performance.now();
      await replace(path, `["h:1","h:${i}"]`);
      await until(`h:${i} is there`, fresh(`h:1 h:${i}`));
      waits.push(performance.now() - begun);
    }
    waits.sort((a, b) => a - b);
    const [median, worst] = [waits[waits.length >> 1]!, waits.at(-1)!].map((ms) => ms.toFixed(1));
    console.log(`file: change to set, 10 ms of settling included: median ${median} ms, worst ${worst} ms`);
    expect(events).toEqual([]);
  });

  it('follows a link that is switched, as Kubernetes does it with a ConfigMap', async () => {
    await mkdir(at('..1'));
    await writeFile(at('..1/nodes.yaml'), '[h:1]');
    await symlink('..1', at('..data'));
    await symlink('..data/nodes.yaml', at('nodes.yaml'));
    watch(at('nodes.yaml'), { pollMs: Infinity });
    await until('the first set', fresh('h:1'));
    await mkdir(at('..2'));
    await writeFile(at('..2/nodes.yaml'), '[h:2]');
    await symlink('..2', at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
    await until('the second set', fresh('h:2'));
  });

  it('sees by looking what the system does not tell, as on network file systems', async () => {
    await mkdir(at('elsewhere'));
    await writeFile(at('elsewhere/nodes.json'), '["h:1"]');
    await symlink(at('elsewhere/nodes.json'), at('nodes.json'));
    watch(at('nodes.json'), { pollMs: 30 });
    await until('the first set', fresh('h:1'));
    await replace(at('elsewhere/nodes.json'), '["h:2"]');
    await until('the second set', fresh('h:2'));
  });

  it('waits for a file whose folder is yet to be made, and finds it again after both were gone', async () => {
    const path = at('later/nodes.json');
    watch(path, { pollMs: 30 });
    await until('it is said', () => events.some(({ type }) => type === 'disconnected'));
    expect(events[0]!.message).toMatch(/ENOENT/);
    for (const port of [1, 2]) {
      await mkdir(at('later'));
      await writeFile(path, `["h:${port}"]`);
      await until('it is found', fresh(`h:${port}`));
      await rm(at('later'), { recursive: true });
      await until('it is stale', () => sets.at(-1)!.stale !== undefined);
      expect(ids()).toBe(`h:${port}`);
    }
  });

  it('touching the file, or writing the same, tells nothing', async () => {
    const path = at('nodes.json');
    await replace(path, '["h:1"]');
    watch(path);
    await until('the first set', () => sets.length === 1);
    await utimes(path, 1, 1);
    await replace(path, '["h:1"]');
    await replace(path, '["h:1" ]');
    await new Promise((done) => setTimeout(done, 150));
    expect(sets).toHaveLength(1);
    await unlink(path);
    await until('it is stale', () => sets.length === 2);
  });

  it('ends at the same as the file after 500 changes at random, with no empty set between', async () => {
    const path = at('nodes.json');
    const names = new Set(['h:1']);
    await replace(path, JSON.stringify([...names]));
    watch(path, { settleMs: 1 });
    await until('the first set', () => sets.length === 1);
    let seed = 42;
    const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
    for (let i = 0; i < 500; i++) {
      const name = `h:${2 + Math.floor(random() * 50)}`;
      if (!names.delete(name)) names.add(name);
      const text = random() < 0.1 ? '{ broken' : JSON.stringify([...names]);
      await (random() < 0.5 ? replace(path, text) : writeFile(path, text));
    }
    await replace(path, JSON.stringify([...names]));
    const wanted = [...names].sort().join();
    await until('the same as the file', () => {
      const last = sets.at(-1)!;
      return (
        !last.stale &&
        last.nodes
          .map(({ id }) => id)
          .sort()
          .join() === wanted
      );
    });
    expect(sets.every(({ size }) => size > 0)).toBe(true);
  });

  it('unsubscribing leaves no watch', async () => {
    await replace(at('nodes.json'), '["h:1"]');
    const before = inotifyWatches();
    watch(at('nodes.json'));
    expect(inotifyWatches()).toBe(before + 1);
    watched.pop()!.unsubscribe();
    await until('it is closed', () => inotifyWatches() === before);
    expect(sets).toEqual([]);
    expect(readdirSync(folder)).toEqual(['nodes.json']);
  });

  it.each([
    ['nodes', {}, /end it with/],
    ['nodes.ini', {}, /end it with/],
    ['', {}, /path/],
    ['n.json', { pollMs: 0 }, /pollMs/],
    ['n.json', { settleMs: -1 }, /settleMs/],
  ] as const)('%j with %j is refused by name', (path, options, what) => {
    expect(() => file(path, options)).toThrow(FleetError);
    expect(() => file(path, options)).toThrow(what);
  });

  it('the format can be given where the name does not tell it', async () => {
    await writeFile(at('nodes'), '- h:1');
    const set = await firstValueFrom(file(at('nodes'), { format: 'yaml', settleMs: 0 })(query));
    expect(set.size).toBe(1);
  });
});
