/** Announcing by mDNS to avahi and python-zeroconf, on hosts of their own (network namespaces). */

import type { ServiceInstance } from '../../src/registration/mdns.js';
import { peersOrReason, startAvahi, zeroconfBrowse, type Avahi } from '../support/avahi.js';
import { createHost, wire, type Host, type HostProcess } from '../support/netns.js';

interface Heard {
  readonly event: 'add' | 'update' | 'remove';
  readonly name: string;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly txt: Readonly<Record<string, string>>;
}

const peers = await peersOrReason();

describe.skipIf(typeof peers === 'string')('advertise among real peers', () => {
  if (typeof peers === 'string') return;
  let ours: Host;
  let theirs: Host;
  let avahi: Avahi;
  let zeroconf: HostProcess;
  const instance: ServiceInstance = { service: 'lumen', name: 'ours', port: 7_000, txt: { v: '9', runtime: 'onnx' } };

  beforeAll(async () => {
    ours = await createHost('ours');
    theirs = await createHost('theirs');
    await wire('w0', [ours, '10.79.0.1'], [theirs, '10.79.0.2']);
    avahi = await startAvahi(theirs, peers);
    zeroconf = await zeroconfBrowse(theirs, peers, '10.79.0.2');
  });
  afterAll(async () => {
    await zeroconf?.kill();
    await avahi?.close();
    await ours?.close();
    await theirs?.close();
  });

  const announce = (instance: ServiceInstance, options: object = {}, host = ours): HostProcess => {
    const spec = JSON.stringify({ instance, options });
    return host.spawn(process.execPath, ['--import', 'tsx', 'test/support/netnsAgent.ts', 'announce', spec]);
  };
  const announced = (agent: HostProcess) =>
    agent.line((line) => line.includes('"announced"') && (JSON.parse(line) as { name: string }).name);
  /** What zeroconf says next of an instance. */
  const hears = (
    name: string,
    event: Heard['event'],
    match: (heard: Heard) => boolean = () => true,
  ): Promise<Heard> => {
    const from = zeroconf.lines.length;
    let index = 0;
    return zeroconf.line((line) => {
      if (index++ < from) return undefined;
      const heard = JSON.parse(line) as Heard;
      return heard.event === event && heard.name === `${name}._lumen._tcp.local.` && match(heard) ? heard : undefined;
    }, 8_000);
  };
  const browsed = async (name: string): Promise<readonly string[]> =>
    (await avahi.browse('_lumen._tcp')).filter(
      (line) => line.split(';')[3] === name.replace(/[ ().]/g, (c) => `\\0${c.charCodeAt(0)}`).replace('\\046', '\\.'),
    );
  const stop = async (agent: HostProcess): Promise<void> => {
    agent.write('{"stop":true}');
    expect(await agent.end()).toBe(0);
  };

  it('is found by avahi and zeroconf with its port, TXT record and addresses, and is gone after its goodbye', async () => {
    const added = hears('ours', 'add');
    const agent = announce(instance);
    expect(await announced(agent)).toBe('ours');
    const heard = await added;
    expect(heard).toMatchObject({ port: 7_000, txt: { v: '9', runtime: 'onnx' } });
    expect(heard.addresses).toContain('10.79.0.1');
    const lines = await browsed('ours');
    expect(lines.some((line) => line.includes(';10.79.0.1;7000;') && line.includes('"v=9"'))).toBe(true);

    const removed = hears('ours', 'remove');
    await stop(agent);
    await removed;
    await expect.poll(() => browsed('ours'), { timeout: 5_000, interval: 300 }).toEqual([]);
  });

  it('is gone at once even when the process exits in the same breath', async () => {
    const added = hears('brief', 'add');
    const agent = announce({ ...instance, name: 'brief' });
    await announced(agent);
    await added;
    const removed = hears('brief', 'remove');
    agent.write('{"exit":true}');
    expect(await agent.end()).toBe(0);
    await removed;
  });

  it('leaves its records behind when it is killed, and gets its name back when it starts again', async () => {
    const added = hears('phoenix', 'add');
    const first = announce({ ...instance, name: 'phoenix' });
    await announced(first);
    await added;
    await first.kill('SIGKILL');
    expect((await browsed('phoenix')).length).toBeGreaterThan(0);
    const updated = hears('phoenix', 'update', ({ port }) => port === 7_001);
    const second = announce({ ...instance, name: 'phoenix', port: 7_001 });
    expect(await announced(second)).toBe('phoenix');
    await updated;
    await stop(second);
  });

  it('takes another name when avahi has the one that it wants, and makes avahi take another when it was first', async () => {
    const theirsFirst = await avahi.publish('wanted', '_lumen._tcp', 5_001);
    const agent = announce({ ...instance, name: 'wanted' });
    expect(await announced(agent)).toBe('wanted (2)');
    expect(agent.lines.some((line) => line.includes('"renamed"') && line.includes('is taken'))).toBe(true);
    expect((await browsed('wanted (2)')).length).toBeGreaterThan(0);
    await theirsFirst.kill();

    const oursFirst = announce({ ...instance, name: 'defended' });
    await announced(oursFirst);
    const late = await avahi.publish('defended', '_lumen._tcp', 5_001);
    expect(late.lines.join('\n')).toContain('defended #2');
    await late.kill();
    await stop(oursFirst);
    await stop(agent);
  });

  it('tells the network of new facts', async () => {
    const added = hears('changing', 'add');
    const agent = announce({ ...instance, name: 'changing' });
    await announced(agent);
    await added;
    const updated = hears('changing', 'update', ({ txt }) => txt.v === '10');
    agent.write(JSON.stringify({ update: { ...instance, name: 'changing', port: 7_005, txt: { v: '10' } } }));
    expect(await updated).toMatchObject({ port: 7_005, txt: { v: '10' } });
    const lines = await browsed('changing');
    expect(lines.every((line) => line.includes(';7005;') && line.includes('"v=10"'))).toBe(true);
    await stop(agent);
  });

  it('announces the new address of its interface', async () => {
    const agent = announce({ ...instance, name: 'mover' }, { interfacePollMs: 300 });
    await announced(agent);
    const reconnected = agent.line((line) => line.includes('connected') && line.includes('10.79.0.55'));
    await ours.ip('address', 'del', '10.79.0.1/24', 'dev', 'w0');
    await ours.ip('address', 'add', '10.79.0.55/24', 'dev', 'w0');
    await reconnected;
    await expect
      .poll(async () => (await browsed('mover')).join(), { timeout: 8_000, interval: 500 })
      .toContain(';10.79.0.55;7000;');
    await expect
      .poll(async () => (await browsed('mover')).join(), { timeout: 8_000, interval: 500 })
      .not.toContain(';10.79.0.1;');
    await ours.ip('address', 'add', '10.79.0.1/24', 'dev', 'w0');
    await stop(agent);
  });

  it('lives beside an avahi-daemon on its own machine, which finds it and answers for its own', async () => {
    const agent = announce({ ...instance, name: 'beside' }, {}, theirs);
    expect(await announced(agent)).toBe('beside');
    const published = await avahi.publish('theirs', '_lumen._tcp', 5_001);
    expect((await browsed('beside')).some((line) => line.includes(';10.79.0.2;7000;'))).toBe(true);
    const seeker = ours.spawn(process.execPath, ['--import', 'tsx', 'test/support/netnsAgent.ts', 'browse', '{}']);
    await seeker.line((line) => line.includes('"beside"') && line.includes('"theirs"'));
    await stop(seeker);
    await published.kill();
    await stop(agent);
  });
});
