/** mDNS discovery against avahi and python-zeroconf, on hosts of their own (network namespaces). */

import { startAvahi, peersOrReason, zeroconfPublish, type Avahi, type ZeroconfService } from '../support/avahi.js';
import { createHost, wire, type Host, type HostProcess } from '../support/netns.js';

interface Found {
  readonly id: string;
  readonly version?: string;
  readonly addresses: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

const peers = await peersOrReason();

describe.skipIf(typeof peers === 'string')('mdns among real peers', () => {
  if (typeof peers === 'string') return;
  let ours: Host;
  let theirs: Host;
  let avahi: Avahi;
  const py: ZeroconfService = {
    ...{ name: 'CLIP-Service', server: 'py.local.', addresses: ['10.77.0.2'], port: 5_002 },
    txt: { uuid: '3f', status: 'ready', version: '1.0.0' },
  };

  beforeAll(async () => {
    ours = await createHost('ours');
    theirs = await createHost('theirs');
    await wire('w0', [ours, '10.77.0.1'], [theirs, '10.77.0.2']);
    avahi = await startAvahi(theirs, peers);
  });
  afterAll(async () => {
    await avahi?.close();
    await ours?.close();
    await theirs?.close();
  });

  const browse = (options: object = {}): HostProcess =>
    ours.spawn(process.execPath, ['--import', 'tsx', 'test/support/netnsAgent.ts', 'browse', JSON.stringify(options)]);
  const setOf = (line: string): readonly Found[] | undefined => (JSON.parse(line) as { set?: Found[] }).set;
  /** The next set, from now on, that is as wanted. */
  const set = (agent: HostProcess, wanted: (set: readonly Found[], stale: unknown) => boolean, timeoutMs = 15_000) => {
    const from = agent.lines.length;
    let index = 0;
    return agent.line((line) => {
      const found = line.startsWith('{') ? setOf(line) : undefined;
      const isLast = index++ >= from - 1;
      return isLast && found && wanted(found, (JSON.parse(line) as { stale: unknown }).stale) ? found : undefined;
    }, timeoutMs);
  };
  const ids = (set: readonly Found[]) => set.map(({ id }) => id).sort();
  /** Ends it, and proves that nothing was left open: it exits by itself. */
  const stop = async (agent: HostProcess): Promise<void> => {
    agent.write('{"stop":true}');
    expect(await agent.end()).toBe(0);
  };

  it('finds what avahi and a Lumen Python server announce, with every address and the whole TXT record', async () => {
    const hub = await avahi.publish('hub.one, the first', '_lumen._tcp', 5_001, 'v=1.2', 'runtime=cuda');
    const two = await avahi.publish('hub two', '_lumen._tcp', 5_003, 'v=1.3');
    const clip = await zeroconfPublish(theirs, peers, '10.77.0.2', py);
    const agent = browse();
    const found = await set(
      agent,
      (nodes) => nodes.length === 3 && nodes.every(({ addresses }) => addresses.length > 0),
    );
    expect(ids(found)).toEqual(['CLIP-Service', 'hub two', 'hub.one, the first']);
    expect(found.find(({ id }) => id === 'CLIP-Service')).toEqual({
      ...{ id: 'CLIP-Service', version: '1.0.0', metadata: py.txt, addresses: ['10.77.0.2 5002'] },
    });
    const first = found.find(({ id }) => id === 'hub.one, the first')!;
    expect(first).toMatchObject({ version: '1.2', metadata: { v: '1.2', runtime: 'cuda' } });
    expect(first.addresses[0]).toBe('10.77.0.2 5001');
    expect(first.addresses[1]).toMatch(/^fe80::[0-9a-f:]+%w0 5001$/);

    // A goodbye takes one of them away within seconds; the others stay.
    const gone = set(agent, (nodes) => nodes.length === 2, 5_000);
    await hub.kill();
    expect(ids(await gone)).toEqual(['CLIP-Service', 'hub two']);
    const last = set(agent, (nodes) => nodes.length === 1, 5_000);
    await clip.withdraw('CLIP-Service');
    expect(ids(await last)).toEqual(['hub two']);
    await two.kill();
    await stop(agent);
  });

  it('follows a change of address, port and TXT record', async () => {
    const clip = await zeroconfPublish(theirs, peers, '10.77.0.2', py);
    const agent = browse();
    await set(agent, (nodes) => nodes.length === 1);
    // What is younger than a second counts as part of the same announcement (RFC 6762, 10.2).
    await new Promise((done) => setTimeout(done, 1_200));
    const changed = set(agent, (nodes) => nodes[0]?.addresses.join() === '10.77.0.99 6000', 8_000);
    await clip.tell({ ...py, addresses: ['10.77.0.99'], port: 6_000, txt: { version: '2.0.0' } });
    expect(await changed).toMatchObject([{ id: 'CLIP-Service', version: '2.0.0', metadata: { version: '2.0.0' } }]);
    await clip.process.kill('SIGKILL');
    await stop(agent);
  });

  it('keeps a node that was killed until its records run out', async () => {
    const clip = await zeroconfPublish(theirs, peers, '10.77.0.2', { ...py, name: 'short', ttl: 6 });
    const agent = browse();
    await set(agent, (nodes) => ids(nodes).includes('short'));
    const killedAt = Date.now();
    const gone = set(agent, (nodes) => !ids(nodes).includes('short'), 12_000);
    await clip.process.kill('SIGKILL');
    await gone;
    expect(Date.now() - killedAt).toBeGreaterThan(2_000);
    await stop(agent);
  });

  it('drops a killed node when a call to it failed, long before its records run out, and keeps one that answers', async () => {
    const clip = await zeroconfPublish(theirs, peers, '10.77.0.2', { ...py, name: 'dead', server: 'dead.local.' });
    const hub = await avahi.publish('alive', '_lumen._tcp', 5_001);
    const agent = browse({ reconfirmMs: 4_000 });
    await set(agent, (nodes) => ['alive', 'dead'].every((id) => ids(nodes).includes(id)));
    await clip.process.kill('SIGKILL');
    const gone = set(agent, (nodes) => !ids(nodes).includes('dead'), 8_000);
    agent.write('{"reconfirm":"dead"}');
    agent.write('{"reconfirm":"alive"}');
    expect(ids(await gone)).toContain('alive');
    await new Promise((done) => setTimeout(done, 1_500));
    expect(
      agent.lines
        .map(setOf)
        .at(-1)
        ?.map(({ id }) => id),
    ).toContain('alive');
    await hub.kill();
    await stop(agent);
  });

  it('takes up an interface that comes, keeps the set as stale when all are gone, and recovers', async () => {
    const hub = await avahi.publish('roamer', '_lumen._tcp', 5_001);
    const agent = browse({ interfacePollMs: 300 });
    await set(agent, (nodes) => ids(nodes).includes('roamer'));
    const node = (nodes: readonly Found[]) => nodes.find(({ id }) => id === 'roamer');

    const second = set(agent, (nodes) => node(nodes)?.addresses.some((a) => a.startsWith('10.78.')) ?? false);
    await wire('w1', [ours, '10.78.0.1'], [theirs, '10.78.0.2']);
    expect(node(await second)!.addresses).toContain('10.77.0.2 5001');

    const stale = set(agent, (_nodes, stale) => typeof stale === 'string');
    await ours.ip('link', 'set', 'w0', 'down');
    await ours.ip('link', 'del', 'w1');
    expect(ids(await stale)).toContain('roamer');

    const fresh = set(agent, (_nodes, stale) => stale === false);
    await ours.ip('link', 'set', 'w0', 'up');
    expect(ids(await fresh)).toContain('roamer');
    const gone = set(agent, (nodes) => !ids(nodes).includes('roamer'));
    await hub.kill();
    await gone;
    await stop(agent);
  });

  it('lives beside an avahi-daemon on its own machine, and finds what that one announces too', async () => {
    const beside = await startAvahi(ours, peers);
    const near = await beside.publish('near', '_lumen._tcp', 5_001);
    const far = await avahi.publish('far', '_lumen._tcp', 5_001);
    const agent = browse();
    await set(agent, (nodes) => ['far', 'near'].every((id) => ids(nodes).includes(id)));
    expect((await beside.browse('_lumen._tcp')).filter((line) => /;(near|far);/.test(line)).length).toBeGreaterThan(1);
    const gone = set(agent, (nodes) => !ids(nodes).includes('near') && !ids(nodes).includes('far'));
    await near.kill();
    await far.kill();
    await gone;
    await stop(agent);
    await beside.close();
  });
});
