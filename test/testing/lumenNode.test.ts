/** The embedded node as a hub, driven by a bare grpc-js client against the contract of the wire. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { FleetError } from '../../src/core/fleetError.js';
import { startLumenNode, type LumenNode, type LumenNodeOptions, type NodeTask } from '../../src/testing/lumenNode.js';
import { BareClient, bytesOf, jsonOf, textOf, type RequestInit } from '../support/lumenBareClient.js';
import { root } from '../support/source.js';

let node: LumenNode;
let client: BareClient;

const start = async (options: LumenNodeOptions = {}): Promise<void> => {
  node = await startLumenNode({ name: 'hub-1', ...options });
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
const pieces = (texts: readonly string[], rest: RequestInit = {}): RequestInit[] => {
  let offset = 0;
  return texts.map((text, seq) => {
    const piece = request({
      payload: bytes(text),
      seq: BigInt(seq),
      total: BigInt(texts.length),
      offset: BigInt(offset),
      ...rest,
    });
    offset += text.length;
    return piece;
  });
};

describe('a hub says what it can do', () => {
  it('by one capability a service, sorted by name, with its version', async () => {
    await start();
    const { code, messages } = await client.streamCapabilities();
    expect(code).toBe(0);
    expect(messages.map((c) => c.serviceName)).toEqual(['bioclip', 'echo', 'face', 'ocr', 'siglip', 'text']);
    expect(messages.every((c) => c.protocolVersion === '1.0' && c.modelIds.length > 0)).toBe(true);
    expect(messages[4]!.tasks.map((task) => task.name)).toEqual(['semantic_text_embed', 'semantic_image_embed']);
    expect((await client.getCapabilities()).messages.map((c) => c.serviceName)).toEqual(['bioclip']);
  });

  it('only for the tasks and models that it was given', async () => {
    await start({ tasks: ['ocr', 'echo'], models: { ocr: ['pp-ocr'] }, protocolVersion: '2.1', maxConcurrency: 3 });
    const { messages } = await client.streamCapabilities();
    expect(messages).toMatchObject([
      { serviceName: 'echo', protocolVersion: '2.1', maxConcurrency: 3 },
      { serviceName: 'ocr', modelIds: ['pp-ocr'] },
    ]);
  });

  it('refuses options that make no sense, by name', async () => {
    await expect(startLumenNode({ tasks: ['no_such_task'] })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(startLumenNode({ maxConcurrency: 0 })).rejects.toThrow('maxConcurrency');
    await expect(startLumenNode({ faults: { errorRate: 2 } })).rejects.toThrow('faults.errorRate');
    await start();
    const { port } = node;
    await expect(startLumenNode({ port })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await node.close();
    await expect(startLumenNode({ port, name: 'x'.repeat(64), mdns: true })).rejects.toThrow('name');
    await start({ port });
  });
});

describe('a hub routes a request', () => {
  it('to the service in meta, which the task does not see', async () => {
    await start();
    const { code, messages } = await client.infer(request({ meta: { service: 'echo' } }));
    expect(code).toBe(0);
    expect(messages).toMatchObject([
      { correlationId: 'c-1', isFinal: true, seq: 0n, total: 1n, offset: 0n, resultMime: 'text/plain' },
    ]);
    expect(textOf(messages)).toBe('hello');
    expect(node.calls.at(-1)).toMatchObject({ task: 'echo', service: 'echo', bytes: 5, messages: 1, outcome: 'OK' });
  });

  it.each([
    ['no service named among several', {}, 3],
    ['an unknown service', { meta: { service: 'nope' } }, 5],
    ['a task of another service', { meta: { service: 'ocr' } }, 5],
    ['a model that is not there', { meta: { service: 'echo', 'lumen.model.id': 'nope' } }, 5],
    ['no task', { task: '', meta: { service: 'echo' } }, 3],
    ['no MIME type', { payloadMime: '', meta: { service: 'echo' } }, 3],
    ['a MIME type that the task does not take', { task: 'ocr', meta: { service: 'ocr' } }, 3],
  ])('and refuses %s', async (_title, rest, code) => {
    await start();
    const answer = await client.infer(request(rest));
    expect(answer).toMatchObject({ code, messages: [] });
    expect(answer.details).not.toBe('');
  });

  it('without a service where it has only one', async () => {
    await start({ tasks: ['echo'] });
    expect((await client.infer(request())).code).toBe(0);
    expect((await client.infer(request({ task: 'ocr' }))).code).toBe(5);
  });

  it('and takes a tensor only of the right size', async () => {
    await start({ tasks: ['semantic_image_embed'] });
    const tensor = (size: number) =>
      request({
        task: 'semantic_image_embed',
        payload: new Uint8Array(size).fill(7),
        payloadMime: 'application/octet-stream',
        meta: {
          'lumen.input.kind': 'tensor',
          'lumen.tensor.dtype': 'fp32',
          'lumen.tensor.shape': '[1,3,2,2]',
        },
      });
    expect((await client.infer(tensor(48))).code).toBe(0);
    expect((await client.infer(tensor(47))).code).toBe(3);
  });
});

describe('a hub puts pieces together', () => {
  beforeEach(() => start({ tasks: ['echo'] }));

  it('in the order of their offsets, whatever the order they come in', async () => {
    const [a, b, c] = pieces(['one ', 'two ', 'three']);
    const { messages } = await client.infer(b!, c!, a!);
    expect(textOf(messages)).toBe('one two three');
    expect(node.calls.at(-1)).toMatchObject({ bytes: 13, messages: 3 });
  });

  it('in the order of their offsets even against their seq', async () => {
    const [a, b] = pieces(['one ', 'two']);
    expect(textOf((await client.infer({ ...b!, seq: 0n }, { ...a!, seq: 1n })).messages)).toBe('one two');
  });

  it('in the order of seq where no piece has an offset, and without a total', async () => {
    const [a, b] = pieces(['one ', 'two'], { offset: 0n, total: 0n });
    expect(textOf((await client.infer(b!, a!)).messages)).toBe('one two');
  });

  it.each([
    ['fewer than they say', (p: RequestInit[]) => p.slice(1)],
    ['of two tasks', (p: RequestInit[]) => [p[0]!, { ...p[1]!, task: 'ocr' }]],
    ['of two ids', (p: RequestInit[]) => [p[0]!, { ...p[1]!, correlationId: 'c-2' }]],
    ['of two MIME types', (p: RequestInit[]) => [p[0]!, { ...p[1]!, payloadMime: 'text/html' }]],
    ['of two metas', (p: RequestInit[]) => [p[0]!, { ...p[1]!, meta: { a: 'b' } }]],
    ['of two totals', (p: RequestInit[]) => [p[0]!, { ...p[1]!, total: 3n }]],
    ['that are none at all', () => []],
  ])('and refuses pieces %s', async (_title, change) => {
    expect(await client.infer(...change(pieces(['one ', 'two'])))).toMatchObject({ code: 3, messages: [] });
  });

  it('and does not answer before the half-close', async () => {
    const stream = client.open();
    stream.send(request());
    expect((await client.health()).code).toBe(0);
    expect(stream.messages).toEqual([]);
    stream.halfClose();
    expect((await stream.end).messages).toHaveLength(1);
  });

  it('but takes no message past 4 MiB', async () => {
    const fits = request({ payload: new Uint8Array(4 * 1024 * 1024 - 100) });
    expect((await client.infer(fits)).code).toBe(0);
    const answer = await client.infer(request({ payload: new Uint8Array(4 * 1024 * 1024) }));
    expect(answer).toMatchObject({ code: 11, messages: [] });
  });
});

describe('a hub cuts results', () => {
  it('of more than 4 MiB into chunks of exactly that, so that a message is larger', async () => {
    await start({ tasks: ['echo'] });
    const megabyte = 1024 * 1024;
    const whole = Uint8Array.from({ length: 5 * megabyte }, (_, i) => i % 251);
    const { messages } = await client.infer(
      ...[0, 1, 2, 3, 4].map((seq) =>
        request({
          payload: whole.subarray(seq * megabyte, (seq + 1) * megabyte),
          seq: BigInt(seq),
          total: 5n,
          offset: BigInt(seq * megabyte),
        }),
      ),
    );
    expect(messages.map(({ result }) => result.length)).toEqual([4 * megabyte, megabyte]);
    expect(messages).toMatchObject([
      { seq: 0n, total: 2n, offset: 0n, isFinal: false },
      { seq: 1n, total: 2n, offset: BigInt(4 * megabyte), isFinal: true },
    ]);
    expect(Buffer.compare(bytesOf(messages), whole)).toBe(0);
  });

  it('as small as the options or the request ask', async () => {
    await start({ tasks: ['echo'], responseChunkBytes: 2 });
    const { messages } = await client.infer(request());
    expect(messages.map((m) => [m.seq, m.total, m.offset, m.isFinal, m.resultMime])).toEqual([
      [0n, 3n, 0n, false, 'text/plain'],
      [1n, 3n, 2n, false, 'text/plain'],
      [2n, 3n, 4n, true, 'text/plain'],
    ]);
    expect((await client.infer(request({ meta: { chunks: '5' } }))).messages).toHaveLength(5);
  });

  it('but not partials, which have no total', async () => {
    await start({ tasks: ['echo'] });
    const { messages } = await client.infer(request({ meta: { partials: '2' } }));
    expect(messages.map((m) => [Buffer.from(m.result).toString(), m.seq, m.total, m.isFinal])).toEqual([
      ['hel', 0n, 0n, false],
      ['lo', 1n, 0n, false],
      ['hello', 0n, 1n, true],
    ]);
  });
});

describe('a hub that warms up', () => {
  it('is alive, unavailable and not serving, and then serves', async () => {
    await start({ tasks: ['echo'], warmUpMs: Infinity });
    const statuses: number[] = [];
    void client.watch('home_native.v1.Inference', (status) => statuses.push(status));
    expect((await client.health()).code).toBe(0);
    expect((await client.infer(request())).code).toBe(14);
    expect((await client.streamCapabilities()).code).toBe(14);
    expect((await client.getCapabilities()).code).toBe(14);
    expect((await client.check()).messages).toMatchObject([{ status: 2 }]);
    await vi.waitFor(() => expect(statuses).toEqual([2]));

    node.warm();
    await vi.waitFor(() => expect(statuses).toEqual([2, 1]));
    expect((await client.infer(request())).code).toBe(0);
    node.setServing(false);
    await vi.waitFor(() => expect(statuses).toEqual([2, 1, 2]));
    expect((await client.check('home_native.v1.Inference')).messages).toMatchObject([{ status: 2 }]);
  });

  it('comes up by itself when its time is over', async () => {
    await start({ tasks: ['echo'], warmUpMs: 50 });
    expect(node.ready).toBe(false);
    await vi.waitFor(() => expect(node.ready).toBe(true));
    expect((await client.check()).messages).toMatchObject([{ status: 1 }]);
  });

  it('knows no health of services that it does not have', async () => {
    await start({ tasks: ['echo'] });
    expect((await client.check('nope')).code).toBe(5);
    const status = await new Promise((resolve) => void client.watch('nope', resolve));
    expect(status).toBe(3);
  });
});

describe("a task of one's own", () => {
  it('is served like the others, and its failures get the code that it throws, or INTERNAL', async () => {
    const reverse: NodeTask = {
      name: 'reverse',
      inputMimes: ['text/plain'],
      outputMimes: ['text/plain'],
      async *run({ payload, mime, meta, model }) {
        await Promise.resolve();
        if (meta['fail'] === 'quota') throw new FleetError('RESOURCE_EXHAUSTED', 'no quota left');
        if (meta['fail']) throw new Error('a bug');
        yield { result: payload.toReversed(), mime: `${mime};model=${model};service=${meta['service']}` };
      },
    };
    await start({ services: [{ name: 'mirror', models: ['m1', 'm2'], tasks: [reverse] }] });
    const ask = (meta: Record<string, string>) => client.infer(request({ task: 'reverse', meta }));
    const { messages } = await ask({ service: 'mirror', 'lumen.model.id': 'm2' });
    expect(textOf(messages)).toBe('olleh');
    expect(messages[0]!.resultMime).toBe('text/plain;model=m2;service=undefined');
    expect(await ask({ fail: 'quota' })).toMatchObject({ code: 8, details: 'no quota left' });
    expect(await ask({ fail: 'bug' })).toMatchObject({ code: 13, details: 'a bug' });
  });
});

describe('the load of a node', () => {
  it('is never more than it takes, and the others wait their turn', async () => {
    await start({ tasks: ['echo'], maxConcurrency: 2, msPerRequest: 20 });
    const answers = await Promise.all(
      Array.from({ length: 7 }, (_, i) => client.infer(request({ correlationId: `c-${i}` }))),
    );
    expect(answers.map(({ messages }) => messages[0]!.correlationId)).toEqual(answers.map((_, i) => `c-${i}`));
    expect(node).toMatchObject({ maxInFlight: 2, inFlight: 0, requests: 7, answered: 7 });
  });

  it('falls when a caller gives up, in work or in line', async () => {
    await start({ tasks: ['echo'], maxConcurrency: 1, msPerRequest: 60_000 });
    const [working, waiting] = [client.open(), client.open()];
    for (const stream of [working, waiting]) {
      stream.send(request());
      stream.halfClose();
    }
    await vi.waitFor(() => expect(node).toMatchObject({ requests: 2, inFlight: 1 }));
    waiting.cancel();
    working.cancel();
    await vi.waitFor(() => expect(node.inFlight).toBe(0));
    expect(node.calls.map(({ outcome }) => outcome)).toEqual(['CANCELLED', 'CANCELLED']);
  });
});

describe('the end of a node', () => {
  it('lets calls in flight finish, ends watches, and leaves no connection', async () => {
    await start({ tasks: ['echo'], msPerRequest: 100 });
    const statuses: number[] = [];
    const watch = client.watch('', (status) => statuses.push(status));
    const answer = client.infer(request());
    await vi.waitFor(() => expect(node.inFlight).toBe(1));
    await node.close();
    expect((await answer).code).toBe(0);
    expect((await watch).code).toBe(14);
    expect(statuses).toEqual([1, 2]);
    expect(node.connections).toBe(0);
    expect((await client.infer(request())).code).toBe(14);
  });

  it('frees its port, so that another can take it', async () => {
    await start({ tasks: ['echo'] });
    await client.infer(request());
    const { port } = node;
    await node.close();
    await start({ tasks: ['echo'], port });
    expect((await client.infer(request())).code).toBe(0);
  });

  it('breaks every connection at once when it is killed', async () => {
    await start({ tasks: ['echo'], msPerRequest: 60_000 });
    const answer = client.infer(request());
    await vi.waitFor(() => expect(node.inFlight).toBe(1));
    node.kill();
    expect((await answer).code).toBe(14);
    await vi.waitFor(() => expect(node).toMatchObject({ connections: 0, inFlight: 0 }));
    await node.close();
  });

  it('can be followed by another on the same port, even when it was killed amid calls', async () => {
    await start({ tasks: ['echo'], msPerRequest: 60_000 });
    const answer = client.infer(request());
    await vi.waitFor(() => expect(node.inFlight).toBe(1));
    const { port } = node;
    node.kill();
    await start({ tasks: ['echo'], port });
    expect((await answer).code).toBe(14);
    expect((await client.infer(request())).code).toBe(0);
  });

  it('does not wait for calls that hang', async () => {
    await start({ tasks: ['echo'], faults: { hang: true } });
    const answer = client.infer(request());
    await vi.waitFor(() => expect(node.requests).toBe(1));
    await node.close(60_000);
    expect((await answer).code).toBe(14);
  });

  it('lets its process end by itself, with nothing left that keeps it', async () => {
    const program = `
      import { startLumenNode } from '${join(root, 'src/testing/lumenNode.ts')}';
      const node = await startLumenNode({ warmUpMs: 60_000, mdns: { interfaces: ['127.0.0.1'], port: 53_531 } });
      await node.close();
      console.log('closed');`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { cwd: root });
    try {
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      const before = performance.now();
      expect(await ended).toEqual([0, null]);
      expect(performance.now() - before).toBeLessThan(2_000);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('a text generation', () => {
  it('comes word by word, and whole in the end, the same for the same prompt and seed', async () => {
    await start({ tasks: ['text_generation'] });
    const ask = async (meta: Record<string, string> = {}) => {
      const rest = { task: 'text_generation', payload: bytes('Shall I compare thee'), meta };
      const { messages } = await client.infer(request(rest));
      return messages;
    };
    const messages = await ask({ max_tokens: '12' });
    expect(messages).toHaveLength(13);
    expect(messages.every((m) => m.resultMime === 'application/json;schema=text_generation_v1')).toBe(true);
    expect(messages.map((m) => m.isFinal)).toEqual([...Array<boolean>(12).fill(false), true]);
    const final = jsonOf(messages.at(-1)!);
    expect(final).toMatchObject({ finish_reason: 'length', generated_tokens: 12, input_tokens: 4 });
    expect(
      messages
        .slice(0, -1)
        .map((m) => jsonOf(m)['text'])
        .join(''),
    ).toBe(final['text']);
    expect(String(final['text']).split(' ')).toHaveLength(12);

    expect((await ask({ max_tokens: '12' })).map((m) => jsonOf(m)['text'])).toEqual(
      messages.map((m) => jsonOf(m)['text']),
    );
    expect(jsonOf((await ask({ max_tokens: '12', seed: '7' })).at(-1)!)['text']).not.toBe(final['text']);
    expect(await ask({ stream: 'false' })).toHaveLength(1);
    expect(await ask({ max_tokens: 'many' })).toEqual([]);
  });

  it('stops when its reader leaves', async () => {
    await start({ tasks: ['text_generation'], msPerToken: 5 });
    const stream = client.open();
    const first = stream.next();
    stream.send(request({ task: 'text_generation', payload: bytes('love'), meta: { max_tokens: '10000' } }));
    stream.halfClose();
    await first;
    stream.cancel();
    await vi.waitFor(() => expect(node.calls.at(-1)!.outcome).toBe('CANCELLED'));
    expect(node.inFlight).toBe(0);
  });
});

describe('the work of the tasks', () => {
  const image = (text: string) => ({ payload: bytes(text), payloadMime: 'image/png' });
  const json = async (task: string, rest: RequestInit) => {
    const { messages, code } = await client.infer(request({ task, ...rest }));
    expect(code).toBe(0);
    return jsonOf(messages[0]!);
  };

  it('embeds texts so that those that share words lie closer', async () => {
    await start({ tasks: ['semantic_text_embed'] });
    const embed = async (text: string): Promise<number[]> => {
      const result = await json('semantic_text_embed', { payload: bytes(text) });
      expect(result).toMatchObject({ dim: 256, model_id: 'hashed-ngrams-256' });
      return result['vector']!;
    };
    const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const [bicycle, bicycles, taxes] = [
      await embed('a red bicycle'),
      await embed('two red bicycles'),
      await embed('the tax form is due in April'),
    ];
    expect(dot(bicycle, bicycle)).toBeCloseTo(1, 3);
    expect(dot(bicycle, bicycles)).toBeGreaterThan(dot(bicycle, taxes) + 0.2);
    expect((await client.infer(request({ task: 'semantic_text_embed', payload: bytes(' ?! ') }))).code).toBe(3);
  });

  it('gives images the schemas of their tasks, each the same for the same bytes', async () => {
    await start({ tasks: ['semantic_image_embed', 'bioclip_classify', 'ocr', 'face_recognition'] });
    const asked: [string, string, RequestInit][] = [
      ['semantic_image_embed', 'siglip', image('some bytes')],
      ['bioclip_classify', 'bioclip', image('some bytes')],
      ['ocr', 'ocr', image('\u0001hello world\u0002no\u0003again')],
      ['face_recognition', 'face', image('some bytes')],
    ];
    const results: Record<string, Record<string, never>> = {};
    for (const [task, service, rest] of asked) {
      results[task] = await json(task, { ...rest, meta: { service } });
      expect(await json(task, { ...rest, meta: { service } })).toEqual(results[task]);
    }
    expect(results['semantic_image_embed']).toMatchObject({ dim: 256 });
    const labels: { label: string; score: number }[] = results['bioclip_classify']!['labels']!;
    expect(labels).toHaveLength(5);
    expect(labels.map(({ score }) => score)).toEqual(labels.map(({ score }) => score).sort((a, b) => b - a));
    expect(results['ocr']).toMatchObject({ count: 2, items: [{ text: 'hello world' }, { text: 'again' }] });
    const { faces, count } = results['face_recognition'] as unknown as { faces: { bbox: number[] }[]; count: number };
    expect(faces).toHaveLength(count);
    expect(faces[0]!.bbox).toHaveLength(4);
  });
});
