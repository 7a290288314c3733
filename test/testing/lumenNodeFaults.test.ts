/** The faults of the embedded node: each must look on the wire like the real thing, and be gone when it is healed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { startLumenNode, type LumenNode, type LumenNodeOptions } from '../../src/testing/lumenNode.js';
import { BareClient, bytesOf, textOf, type RequestInit } from '../support/lumenBareClient.js';
import { root } from '../support/source.js';

const hasIPv6 = Object.values(networkInterfaces()).some((infos) => infos?.some(({ address }) => address === '::1'));

let node: LumenNode;
let client: BareClient;

const start = async (options: LumenNodeOptions = {}): Promise<void> => {
  node = await startLumenNode({ name: 'hub-1', tasks: ['echo'], ...options });
  client = new BareClient(node.address);
};
afterEach(async () => {
  client?.close();
  await node?.close(200);
});

const request = (meta: Record<string, string> = {}): RequestInit => ({
  correlationId: 'c-1',
  task: 'echo',
  payload: new TextEncoder().encode('hello world!'),
  payloadMime: 'text/plain',
  meta,
});
const ask = (meta: Record<string, string> = {}) => client.infer(request(meta));
const chunked = { chunks: '4' };

describe('a node with a fault', () => {
  it('is slow, and quick again when it is healed', async () => {
    await start({ faults: { latencyMs: 80, jitterMs: 10 } });
    const before = performance.now();
    await ask();
    expect(performance.now() - before).toBeGreaterThan(65);
    node.faults({});
    expect(await ask()).toMatchObject({ code: 0 });
    expect(node.calls.at(-1)!.durationMs).toBeLessThan(65);
  });

  it('fails every n-th request, or a share of them, with the code that it is told', async () => {
    await start({ faults: { errorEvery: 3, errorCode: 'INTERNAL' } });
    const codes: number[] = [];
    for (let i = 0; i < 6; i++) codes.push((await ask()).code);
    expect(codes).toEqual([0, 0, 13, 0, 0, 13]);
    expect(node).toMatchObject({ requests: 6, answered: 4 });

    const chances = [0.9, 0.1, 0.5];
    await node.close();
    client.close();
    await start({ faults: { errorRate: 0.3 }, random: () => chances.shift() ?? 0.9 });
    expect([(await ask()).code, (await ask()).code, (await ask()).code]).toEqual([0, 14, 0]);
  });

  it('fails inside an answer, as a Python server does by itself', async () => {
    await start({ faults: { errorEvery: 1, errorInBand: true } });
    expect(await ask()).toMatchObject({ code: 0, messages: [{ correlationId: 'c-1', error: { code: 2 } }] });
    await node.close();
    client.close();
    await start({ flavour: 'python', faults: { errorEvery: 1, errorCode: 'INTERNAL' } });
    expect(await ask()).toMatchObject({ code: 0, messages: [{ error: { code: 4 } }] });
    node.faults({ errorEvery: 1, errorInBand: false });
    expect(await ask()).toMatchObject({ code: 14, messages: [] });
  });

  it('never answers, and notices that the caller leaves', async () => {
    await start({ faults: { hang: true } });
    const stream = client.open();
    stream.send(request());
    stream.halfClose();
    await vi.waitFor(() => expect(node.requests).toBe(1));
    stream.cancel();
    await vi.waitFor(() => expect(node.calls.at(-1)!.outcome).toBe('CANCELLED'));
    node.faults({});
    expect((await ask()).code).toBe(0);
  });

  it('never says what it can do', async () => {
    await start({ faults: { hangCapabilities: true } });
    let ended = false;
    const answer = client.streamCapabilities().then((result) => {
      ended = true;
      return result;
    });
    expect((await ask()).code).toBe(0);
    expect(ended).toBe(false);
    await node.close();
    expect((await answer).code).toBe(14);
  });

  it('takes a connection and says nothing on it', async () => {
    await start({ faults: { silent: true } });
    const socket = connect(node.port, node.host);
    await once(socket, 'connect');
    let heard = 0;
    socket.on('data', () => heard++).on('error', () => {});
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await vi.waitFor(() => expect(node.connections).toBe(1));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    node.faults({});
    await node.close(60_000);
    await closed;
    expect(heard).toBe(0);
  });

  it('is unavailable for a while', async () => {
    await start();
    node.faults({ unavailableMs: 60_000 });
    expect((await ask()).code).toBe(14);
    node.faults({ unavailableMs: 30 });
    await vi.waitFor(async () => expect((await ask()).code).toBe(0));
    node.faults({ unavailableMs: Infinity });
    node.faults({});
    expect((await ask()).code).toBe(0);
  });
});

describe('a node that dies', () => {
  it.each([0, 1, 3])(
    'breaks the connection after %i messages of the answer, and lives on',
    async (dieAfterMessages) => {
      await start({ faults: { dieAfterMessages } });
      const { code, messages } = await ask(chunked);
      expect(code).toBe(14);
      expect(messages.map(({ seq }) => Number(seq))).toEqual([0, 1, 2].slice(0, dieAfterMessages));
      expect(node.calls.at(-1)!.outcome).toBe('died');
      node.faults({});
      expect((await ask()).code).toBe(0);
    },
  );

  it.runIf(hasIPv6)('breaks the right connection over IPv6 too', async () => {
    await start({ host: '::1', faults: { dieAfterMessages: 1 } });
    expect(node.address).toBe(`[::1]:${node.port}`);
    expect(await ask(chunked)).toMatchObject({ code: 14, messages: [{ seq: 0n }] });
  });

  it('takes its port with it', async () => {
    await start({ faults: { dieAfterMessages: 2, death: 'node' } });
    expect(await ask({ partials: '4' })).toMatchObject({ code: 14, messages: [{ total: 0n }, { total: 0n }] });
    const socket = connect(node.port, node.host);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it('takes its process with it', async () => {
    const program = `
      import { startLumenNode } from '${join(root, 'src/testing/lumenNode.ts')}';
      const node = await startLumenNode({ tasks: ['echo'], faults: { dieAfterMessages: 1, death: 'process' } });
      console.log(node.address);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { cwd: root });
    try {
      const ended = once(child, 'exit');
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      client = new BareClient(line.toString().trim());
      expect(await ask(chunked)).toMatchObject({ code: 14, messages: [{ seq: 0n, total: 4n }] });
      expect(await ended).toEqual([null, 'SIGKILL']);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('a node that answers wrongly', () => {
  const spoilt = async (faults: LumenNodeOptions['faults'], meta = chunked as Record<string, string>) => {
    await start({ faults });
    return ask(meta);
  };

  it('gives a foreign correlation id', async () => {
    const { messages } = await spoilt({ correlationId: 'foreign' });
    expect(messages.map((m) => m.correlationId)).toEqual(['foreign', 'foreign', 'foreign', 'foreign']);
  });

  it('skips a chunk', async () => {
    const { messages } = await spoilt({ skipChunk: 1 });
    expect(messages.map((m) => Number(m.seq))).toEqual([0, 2, 3]);
  });

  it('repeats a chunk', async () => {
    const { messages } = await spoilt({ repeatChunk: 1 });
    expect(messages.map((m) => Number(m.seq))).toEqual([0, 1, 1, 2, 3]);
  });

  it('counts its chunks wrongly', async () => {
    const { messages } = await spoilt({ totalOff: 2 });
    expect(messages.map((m) => Number(m.total))).toEqual([6, 6, 6, 6]);
  });

  it('gives no bytes, half of them, or far too many', async () => {
    expect((await spoilt({ emptyResult: true })).messages).toMatchObject([{ result: new Uint8Array(), total: 1n }]);
    node.faults({ cutResult: true });
    expect(textOf((await ask()).messages)).toBe('hello ');
    node.faults({ oversizedBytes: 5 * 1024 * 1024 });
    expect(bytesOf((await ask()).messages)).toHaveLength(5 * 1024 * 1024);
    const small = new BareClient(node.address, 4 * 1024 * 1024);
    expect((await small.infer(request())).code).toBe(8);
    small.close();
  });

  it('gives no MIME type, or another schema', async () => {
    expect((await spoilt({ missingMime: true })).messages[0]).toMatchObject({ resultMime: '', resultSchema: '' });
    node.faults({ wrongSchema: 'labels_v1' });
    expect((await ask()).messages[0]).toMatchObject({
      resultMime: 'application/json;schema=labels_v1',
      resultSchema: 'labels_v1',
    });
  });

  it('sends a frame that is cut short, or that holds no message', async () => {
    const cut = await spoilt({ truncatedFrame: true });
    expect(cut.messages).toEqual([]);
    node.faults({ garbledFrame: true });
    expect(await ask()).toMatchObject({ code: 13, messages: [] });
    node.faults({});
    expect((await ask()).code).toBe(0);
  });
});
