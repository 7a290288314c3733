/** The embedded node as the Python servers: every trap of theirs that a client can fall into. */

import { startLumenNode, type LumenNode, type LumenNodeOptions } from '../../src/testing/lumenNode.js';
import { BareClient, jsonOf, textOf, type RequestInit } from '../support/lumenBareClient.js';

let node: LumenNode;
let client: BareClient;

const start = async (options: LumenNodeOptions = {}): Promise<void> => {
  node = await startLumenNode({ flavour: 'python', name: 'py-1', ...options });
  client = new BareClient(node.address);
};
afterEach(async () => {
  client?.close();
  await node?.close(200);
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const request = (rest: RequestInit = {}): RequestInit => ({
  correlationId: 'c-1',
  task: 'echo',
  payload: bytes('hello'),
  payloadMime: 'text/plain',
  ...rest,
});
const piece = (text: string, seq: number, total: number, rest: RequestInit = {}): RequestInit =>
  request({ payload: bytes(text), seq: BigInt(seq), total: BigInt(total), ...rest });

describe('a Python server', () => {
  it('has one capability with the limits that it states', async () => {
    await start();
    const { messages } = await client.streamCapabilities();
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatchObject({ serviceName: 'lumen', protocolVersion: '1.0' });
    expect(messages[0]!.tasks.map(({ name }) => name)).toContain('vlm_generate');
    expect(messages[0]!.tasks[0]!.limits).toEqual({ max_payload_size: '52428800', max_concurrency: '1' });
    expect(await client.getCapabilities()).toMatchObject({ code: 0, messages });
  });

  it('has no grpc.health', async () => {
    await start();
    expect((await client.check()).code).toBe(12);
    expect((await client.health()).code).toBe(0);
  });

  it('fails inside an answer, ends as OK, and goes on with the stream', async () => {
    await start();
    const { code, messages } = await client.infer(
      request({ task: 'clip_text_embed', payload: bytes('?') }),
      request({ task: 'nope' }),
      request({ correlationId: 'c-2' }),
    );
    expect(code).toBe(0);
    expect(messages).toMatchObject([
      { correlationId: 'c-1', isFinal: true, error: { code: 1 } },
      { correlationId: 'c-1', isFinal: true, error: { code: 1 } },
      { correlationId: 'c-2', isFinal: true },
    ]);
    expect(messages[2]!.error).toBeUndefined();
    expect(messages[0]!.error!.message).not.toBe('');
  });

  it('answers before the half-close, several requests on a stream, by their ids', async () => {
    await start();
    const stream = client.open();
    stream.send(piece('a1 ', 0, 2, { correlationId: 'a' }));
    stream.send(piece('b1 ', 0, 2, { correlationId: 'b' }));
    const first = stream.next();
    stream.send(piece('b2', 1, 2, { correlationId: 'b' }));
    expect(await first).toMatchObject({ correlationId: 'b', isFinal: true, resultSchema: '' });
    const second = stream.next();
    stream.send(piece('a2', 1, 2, { correlationId: 'a' }));
    expect(textOf([await second])).toBe('a1 a2');
    stream.halfClose();
    expect((await stream.end).code).toBe(0);
  });

  it('takes pieces in the order in which they arrive, whatever their offsets say', async () => {
    await start();
    const { messages } = await client.infer(
      piece('two ', 1, 3, { offset: 4n }),
      piece('one ', 0, 3),
      piece('three', 2, 3, { offset: 8n }),
    );
    expect(textOf(messages)).toBe('two one three');
  });

  it('makes up an id where there is none, so that pieces without one are never answered', async () => {
    await start();
    const single = await client.infer(request({ correlationId: '' }));
    expect(single.messages[0]!.correlationId).toMatch(/^cid-\d+$/);
    expect(
      await client.infer(piece('a', 0, 2, { correlationId: '' }), piece('b', 1, 2, { correlationId: '' })),
    ).toEqual({
      code: 0,
      details: 'OK',
      messages: [],
    });
  });

  it('takes each piece for an image of its own when it reads text', async () => {
    await start();
    const image = { task: 'ocr', payloadMime: 'image/png' };
    const { messages } = await client.infer(piece('hello ', 0, 2, image), piece('world', 1, 2, image));
    expect(
      messages.map((m) => [m.isFinal, m.resultSchema, (jsonOf(m)['items'] as unknown as { text: string }[])[0]!.text]),
    ).toEqual([
      [true, 'ocr_v1', 'hello '],
      [true, 'ocr_v1', 'world'],
    ]);
  });

  it('generates text in one message, even where the task is called a stream', async () => {
    await start();
    const { messages } = await client.infer(request({ task: 'vlm_generate_stream', meta: { max_tokens: '5' } }));
    expect(messages).toHaveLength(1);
    expect(String(jsonOf(messages[0]!)['text']).split(' ')).toHaveLength(5);
  });

  it('does not cut its answers, and refuses messages past 4 MiB', async () => {
    await start({ responseChunkBytes: 2 });
    expect((await client.infer(request())).messages).toHaveLength(1);
    expect((await client.infer(request({ payload: new Uint8Array(4 * 1024 * 1024) }))).code).toBe(8);
  });

  it('says that its model is not initialized while it starts', async () => {
    await start({ warmUpMs: Infinity });
    expect(await client.infer(request())).toMatchObject({ code: 9, details: 'Model not initialized' });
    expect((await client.streamCapabilities()).code).toBe(9);
    expect((await client.health()).code).toBe(0);
    node.warm();
    expect((await client.infer(request())).code).toBe(0);
  });
});

describe('the Python hub', () => {
  beforeEach(() => start({ flavour: 'pythonHub' }));

  it('knows the old question only, and answers with tasks alone', async () => {
    expect((await client.streamCapabilities()).code).toBe(12);
    const { messages } = await client.getCapabilities();
    expect(messages).toMatchObject([{ serviceName: '', protocolVersion: '', modelIds: [] }]);
    expect(messages[0]!.tasks.length).toBeGreaterThan(5);
  });

  it('routes by task, whatever service is named, and has no answer for an unknown task', async () => {
    expect(await client.infer(request({ meta: { service: 'nope' } }))).toMatchObject({ code: 0 });
    expect(await client.infer(request({ task: 'nope' }))).toMatchObject({ code: 5, messages: [] });
  });
});
