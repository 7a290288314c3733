/** The embedded node on the network: heard by multicast-dns alone, over loopback, on a UDP port of its own. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import makeMdns, { type MulticastDNS } from 'multicast-dns';
import { startLumenNode, type LumenFlavour, type LumenNode } from '../../src/testing/lumenNode.js';

interface Heard {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: unknown;
}

let node: LumenNode;
let ear: MulticastDNS;
let heard: Heard[];
let port: number;

beforeEach(async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  ({ port } = socket.address());
  socket.close();
  heard = [];
  ear = makeMdns({ interface: '127.0.0.1', bind: '0.0.0.0', port, loopback: true });
  ear.on('response', ({ answers }: { answers: Heard[] }) => heard.push(...answers));
  await once(ear, 'ready');
});
afterEach(async () => {
  await node?.close(100);
  await new Promise<void>((resolve) => ear.destroy(resolve));
});

const start = async (flavour: LumenFlavour): Promise<void> => {
  const mdns = { interfaces: ['127.0.0.1'], port, probeIntervalMs: 20 };
  node = await startLumenNode({ name: 'in the hall', flavour, mdns });
};
const record = (type: string, test: (heard: Heard) => boolean = () => true) =>
  vi.waitFor(() => {
    const found = heard.find((entry) => entry.type === type && test(entry));
    expect(found, type).toBeDefined();
    return found!;
  });
const txt = async (): Promise<string[]> => ((await record('TXT')).data as Buffer[]).map(String);

describe('a node that is announced', () => {
  it('is a _lumen._tcp under its name, at its port and address, until its goodbye', async () => {
    await start('hub');
    expect(await record('PTR')).toMatchObject({ name: '_lumen._tcp.local', data: 'in the hall._lumen._tcp.local' });
    expect((await record('SRV')).data).toMatchObject({ port: node.port });
    expect((await record('A')).data).toBe('127.0.0.1');
    expect(await txt()).toEqual(['v=0.1.2', 'runtime=cpu']);
    await node.close();
    await record('PTR', ({ name, ttl }) => name === '_lumen._tcp.local' && ttl === 0);
  });

  it('has the TXT record of the Python servers where it is one', async () => {
    await start('python');
    expect(await txt()).toEqual([expect.stringMatching(/^uuid=[0-9a-f-]{36}$/), 'status=ready', 'version=1.0.0']);
  });
});
