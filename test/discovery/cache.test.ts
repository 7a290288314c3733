import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NEVER, Subject, type Observable, type Subscription } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { cacheDiscovery, type CacheDiscoveryOptions } from '../../src/discovery/cacheDiscovery.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { sameNode } from '../../src/discovery/sameNode.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { testDiscovery, type DiscoveryHarness } from '../../src/testing/testDiscovery.js';
import { until } from '../support/until.js';
import { EditableList } from './editableList.js';

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'rxfleet-cache-'))));
afterEach(async () => {
  // What is written at the end of a subscription may still be on its way.
  await new Promise((done) => setTimeout(done, 30));
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
});

function harness(options: () => CacheDiscoveryOptions): DiscoveryHarness {
  let list = new EditableList();
  return {
    start: () => void (list = new EditableList()),
    stop: () => expect(list.listeners).toBe(0),
    discovery: () => cacheDiscovery(staticNodes(list.list$), options()),
    add: (node) => list.put(node),
    update: (node) => list.replace(node),
    remove: (name) => list.remove(name),
    addBad: () => list.addBad(),
    cut: () => list.connect(false),
    restore: () => list.connect(true),
    opened: () => list.listeners,
  };
}

testDiscovery(
  'cacheDiscovery in memory',
  harness(() => ({})),
);
testDiscovery(
  'cacheDiscovery in a file',
  harness(() => ({ file: join(folder, 'nodes.json'), writeDelayMs: 1 })),
);

describe('cacheDiscovery in a file', () => {
  const full: Node = updateNode(
    createNode({
      id: 'gpu-1',
      name: 'GPU one',
      service: 's',
      addresses: ['10.0.0.5:50051', '[fe80::1%eth0]:50051', 'gpu-1.example:50051'],
      namespace: 'prod',
      version: '1.4.2',
      zone: 'eu-1',
      region: 'eu',
      tags: { gpu: '', env: 'prod' },
      metadata: { runtime: 'cuda' },
      weight: 3,
      sources: ['etcd', 'mdns'],
      firstSeen: 5,
    }),
    { health: 'notServing', healthReason: 'its check fails', availability: 'draining' },
  );
  const x = createNode({ id: 'x', address: 'h:1', sources: ['etcd'] });
  const y = createNode({ id: 'y', address: 'h:2', sources: ['etcd'] });
  const events: DiscoveryEvent[] = [];
  const watched: Subscription[] = [];
  const path = () => join(folder, 'deep', 'nodes.json');

  /** A client of its own, as after a restart: nothing is in memory. */
  const start = (source$: Observable<NodeSet>, options: CacheDiscoveryOptions = {}, service = 's') => {
    const sets: NodeSet[] = [];
    const discovery = cacheDiscovery(() => source$, { file: path(), writeDelayMs: 1, ...options });
    const subscription = discovery({ service, onEvent: (event) => events.push(event) }).subscribe((set) =>
      sets.push(set),
    );
    watched.push(subscription);
    return { sets, subscription };
  };
  const written = async (): Promise<{ services: Record<string, { savedAt: number; nodes: { id: string }[] }> }> =>
    JSON.parse(await readFile(path(), 'utf8'));
  const remember = async (...nodes: Node[]) => {
    const source$ = new Subject<NodeSet>();
    const { subscription } = start(source$);
    source$.next(NodeSet.of(nodes));
    await until('it is written', () => existsSync(path()));
    subscription.unsubscribe();
    await settled();
  };
  /** No write is under way any more. */
  const settled = async () => {
    let last = '';
    for (let same = 0; same < 5;) {
      const names = (await readdir(join(folder, 'deep'))).join() + (await stat(path())).mtimeMs;
      same = names === last ? same + 1 : 0;
      last = names;
      await new Promise((done) => setTimeout(done, 5));
    }
  };

  afterEach(() => {
    for (const each of watched.splice(0)) each.unsubscribe();
    events.length = 0;
  });

  it('a client starts with all that was known while its registry is down', async () => {
    await remember(full, x);
    const { sets } = start(NEVER);
    await until('it starts', () => sets.length === 1);
    expect(sets[0]!.stale!.reason).toMatch(/remembered/);
    expect(sets[0]!.stale!.since).toBeGreaterThan(Date.now() - 10_000);
    expect(sets[0]!.nodes.map((node) => sameNode(node, node.id === 'x' ? x : full))).toEqual([true, true]);
    expect(sets[0]!.get('gpu-1')).toMatchObject({
      sources: ['etcd', 'mdns'],
      firstSeen: 5,
      health: 'notServing',
      availability: 'draining',
    });
    expect(events).toEqual([]);
  });

  it('the source takes over from the file, and an unchanged node keeps its object', async () => {
    await remember(x, y);
    const source$ = new Subject<NodeSet>();
    const { sets } = start(source$);
    await until('it starts', () => sets.length === 1);
    source$.next(NodeSet.of([createNode({ ...x, stats: undefined })]));
    expect(sets[1]!.stale).toBeUndefined();
    expect(sets[1]!.get('x')).toBe(sets[0]!.get('x'));
    expect(sets[1]!.size).toBe(1);
  });

  it('a source that was quicker than the disk is not overruled by it', async () => {
    await remember(x);
    const source$ = new Subject<NodeSet>();
    const { sets } = start(source$);
    source$.next(NodeSet.of([y]));
    await new Promise((done) => setTimeout(done, 50));
    expect(sets.map(({ nodes }) => nodes[0]!.id)).toEqual(['y']);
  });

  it('what ended is not remembered', async () => {
    const source$ = new Subject<NodeSet>();
    const { subscription } = start(source$);
    source$.next(NodeSet.of([x]));
    source$.next(NodeSet.of([]));
    await until('it is written', () => existsSync(path()));
    subscription.unsubscribe();
    await settled();
    const { sets } = start(NEVER);
    await new Promise((done) => setTimeout(done, 50));
    expect(sets).toEqual([]);
  });

  it('what was not written yet is written at the end', async () => {
    const source$ = new Subject<NodeSet>();
    const { subscription } = start(source$, { writeDelayMs: 60_000 });
    source$.next(NodeSet.of([x]));
    subscription.unsubscribe();
    await until('it is written', () => existsSync(path()));
    expect(Object.values((await written()).services)[0]!.nodes.map(({ id }) => id)).toEqual(['x']);
  });

  it('stale sets are not written: the age in the file is that of the truth', async () => {
    const source$ = new Subject<NodeSet>();
    const { subscription } = start(source$);
    source$.next(NodeSet.of([x]));
    await until('it is written', () => existsSync(path()));
    await settled();
    const before = await written();
    source$.next(NodeSet.of([x], { since: Date.now(), reason: 'cut off' }));
    await new Promise((done) => setTimeout(done, 30));
    subscription.unsubscribe();
    await new Promise((done) => setTimeout(done, 30));
    expect(await written()).toEqual(before);
  });

  it('what stays right stays young in the file', async () => {
    const source$ = new Subject<NodeSet>();
    start(source$, { maxAgeMs: 80 });
    source$.next(NodeSet.of([x]));
    await until('it is written', () => existsSync(path()));
    const first = Object.values((await written()).services)[0]!.savedAt;
    // Three times its greatest age: it would be long forgotten, had it not been written again.
    for (let savedAt = first; savedAt < first + 240; savedAt = Object.values((await written()).services)[0]!.savedAt) {
      expect(Date.now() - savedAt, 'the age of what the file holds').toBeLessThan(5_000);
      await new Promise((done) => setTimeout(done, 5));
    }
  });

  it('what is too old is not used, and said so', async () => {
    await remember(x);
    await new Promise((done) => setTimeout(done, 30));
    const { sets } = start(NEVER, { maxAgeMs: 10 });
    await until('it is said', () => events.length > 0);
    expect(events[0]).toMatchObject({ source: 'cache', type: 'skipped' });
    expect(sets).toEqual([]);
  });

  const broken: Record<string, string> = {
    'half of it': '{"format":"rxfleet node cache","version":1,"serv',
    'nothing in it': '',
    'another format': '{"nodes":[]}',
    'a later version': '{"format":"rxfleet node cache","version":2,"services":{}}',
    'a list in it': '[]',
    'bytes in it': '\u0000\u0001\u0002',
  };
  it.each(Object.entries(broken))('a file with %s is told, is not fatal, and is replaced', async (_, text) => {
    await mkdir(join(folder, 'deep'));
    await writeFile(path(), text);
    const source$ = new Subject<NodeSet>();
    const { sets, subscription } = start(source$);
    await until('it is told', () => events.length > 0);
    expect(events[0]).toMatchObject({ source: 'cache', type: 'skipped' });
    expect(events[0]!.message).toContain(path());
    source$.next(NodeSet.of([x]));
    expect(sets.map(({ size }) => size)).toEqual([1]);
    subscription.unsubscribe();
    await until('it is replaced', () => existsSync(path()));
    await settled();
    events.length = 0;
    const again = start(NEVER);
    await until('it starts', () => again.sets.length === 1);
    expect(events).toEqual([]);
  });

  it('a bad entry is skipped, the others are used', async () => {
    await remember(x, y);
    const text = (await readFile(path(), 'utf8')).replace('"h:1"', '"nowhere"');
    await writeFile(path(), text);
    const { sets } = start(NEVER);
    await until('it starts', () => sets.length === 1);
    expect(sets[0]!.nodes.map(({ id }) => id)).toEqual(['y']);
    expect(events[0]!.message).toMatch(/node 1: .*nowhere/);
  });

  it('a file that cannot be written is told once, and nothing else suffers', async () => {
    await writeFile(join(folder, 'deep'), 'a file where the folder should be');
    const source$ = new Subject<NodeSet>();
    const { sets } = start(source$, { maxAgeMs: 40 });
    source$.next(NodeSet.of([x]));
    source$.next(NodeSet.of([x, y]));
    await new Promise((done) => setTimeout(done, 100));
    expect(sets.map(({ size }) => size)).toEqual([1, 2]);
    expect(events.filter(({ message }) => message.includes('cannot be written'))).toHaveLength(1);
  });

  it('several services share a file, and only its owner may read it', async () => {
    await remember(x);
    const source$ = new Subject<NodeSet>();
    start(source$, {}, 'other').subscription.add(() => undefined);
    source$.next(NodeSet.of([y]));
    await until('both are there', () => existsSync(path()));
    await settled();
    expect(Object.keys((await written()).services)).toHaveLength(2);
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'deep'))).toEqual(['nodes.json']);
    await chmod(path(), 0o600);
  });

  it('a process that is killed while it writes leaves a whole file', async () => {
    const program = fileURLToPath(new URL('../support/cacheProcess.ts', import.meta.url));
    for (let i = 0; i < 3; i++) {
      const child = spawn(process.execPath, ['--import', 'tsx', program, path()], { stdio: 'inherit' });
      await until('it writes', () => existsSync(path()), 20_000);
      await new Promise((done) => setTimeout(done, 40 + i * 37));
      child.kill('SIGKILL');
      await new Promise((done) => child.once('exit', done));
      const { services } = await written();
      expect(Object.values(services)[0]!.nodes).toHaveLength(2_000);
      await rm(path());
    }
  }, 60_000);

  it('refuses what makes no sense, by name', () => {
    expect(() => cacheDiscovery(() => NEVER, { maxAgeMs: 0 })).toThrow(FleetError);
    expect(() => cacheDiscovery(() => NEVER, { maxAgeMs: -1 })).toThrow(/maxAgeMs/);
    expect(() => cacheDiscovery(() => NEVER, { writeDelayMs: Infinity })).toThrow(/writeDelayMs/);
    expect(() => cacheDiscovery(() => NEVER, { file: '' })).toThrow(/file/);
  });
});
