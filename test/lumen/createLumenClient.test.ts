import { firstValueFrom, lastValueFrom, map, take, toArray, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import type { FleetEvent } from '../../src/index.js';
import { createLumenClient, type InferenceEvent, type LumenClientOptions } from '../../src/lumen/index.js';
import { startLumenNode, type LumenNode, type LumenNodeOptions } from '../../src/testing/lumenNode.js';

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(...options: LumenNodeOptions[]): Promise<LumenNode[]> {
  const nodes = await Promise.all(options.map((each) => startLumenNode(each)));
  for (const node of nodes) ends.push(() => node.close(0));
  return nodes;
}

function client(nodes: readonly LumenNode[], options: LumenClientOptions = {}) {
  const list = nodes.map(({ name, address }) => ({ id: name, address }));
  const lumen = createLumenClient({ discovery: staticNodes(list), ...options });
  ends.push(() => lumen.close({ drainMs: 0 }));
  return lumen;
}

const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, ...new TextEncoder().encode(' STOP HERE ')]);
const large = (bytes: number) => new Uint8Array(bytes).map((_, i) => (i * 31) % 251);
const failure = (promise: Promise<unknown>): Promise<FleetError> =>
  promise.then(
    () => {
      throw new Error('it was answered');
    },
    (error: unknown) => error as FleetError,
  );

describe('infer', () => {
  it('answers right after the client was made, without waiting for anything by hand', async () => {
    const [hub] = await start({ name: 'hub-1' });
    const result = await firstValueFrom(client([hub!]).infer({ task: 'echo', payload: 'hello' }));
    expect(new TextDecoder().decode(result.bytes)).toBe('hello');
    expect(result).toMatchObject({ node: 'hub-1', task: 'echo', mime: 'text/plain' });
  });

  it('fills in the service of a hub with several, and sends its correlation id', async () => {
    const [hub] = await start({});
    await firstValueFrom(client([hub!]).infer({ task: 'echo', payload: 'x', correlationId: 'my-id' }));
    const call = hub!.calls.find(({ method }) => method === 'Infer');
    expect(call).toMatchObject({ service: 'echo', correlationId: 'my-id', outcome: 'OK' });
  });

  it('leaves the service out for a node that has one', async () => {
    const [hub] = await start({ tasks: ['echo'] });
    await firstValueFrom(client([hub!]).infer({ task: 'echo', payload: 'x' }));
    expect(hub!.calls.find(({ method }) => method === 'Infer')!.meta).toEqual({});
  });

  it('makes a correlation id of its own for each call', async () => {
    const [hub] = await start({});
    const lumen = client([hub!]);
    await firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' }));
    await firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' }));
    const ids = hub!.calls.filter(({ method }) => method === 'Infer').map(({ correlationId }) => correlationId);
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('carries 10 MiB there and back: in pieces to the node, in 4 MiB chunks from it', async () => {
    const [hub] = await start({});
    const payload = large(10 * 1_048_576);
    const result = await firstValueFrom(client([hub!]).infer({ task: 'echo', payload, mime: 'application/x-test' }));
    expect(Buffer.compare(result.bytes, payload)).toBe(0);
    expect(hub!.calls.at(-1)!.messages).toBe(40);
  });

  it('cuts payloads as it is told', async () => {
    const [hub] = await start({});
    const lumen = client([hub!], { chunk: { thresholdBytes: 10, pieceBytes: 4 } });
    await firstValueFrom(lumen.infer({ task: 'echo', payload: large(20), mime: 'a/b' }));
    await firstValueFrom(lumen.infer({ task: 'echo', payload: large(20), mime: 'a/b' }, { chunk: false }));
    await firstValueFrom(lumen.infer({ task: 'echo', payload: large(10), mime: 'a/b' }));
    expect(hub!.calls.filter(({ method }) => method === 'Infer').map(({ messages }) => messages)).toEqual([5, 1, 1]);
  });

  it('sends a picture for ocr as one message, and one past 4 MiB only to a node that puts pieces together', async () => {
    const [python, hub] = await start({ name: 'python', flavour: 'python' }, { name: 'hub' });
    const lumen = client([python!, hub!]);
    await firstValueFrom(lumen.ready());
    await lastValueFrom(
      lumen.inferAll([1, 2, 3, 4].map(() => ({ task: 'ocr', payload: large(2_000_000), mime: 'image/png' }))),
    );
    for (const { messages } of [...python!.calls, ...hub!.calls]) expect(messages).toBe(1);
    const before = python!.requests;
    for (let i = 0; i < 2; i++) {
      await firstValueFrom(lumen.infer({ task: 'ocr', payload: large(5_000_000), mime: 'image/png' }));
    }
    expect(python!.requests).toBe(before);
    const alone = client([python!]);
    const error = await failure(
      firstValueFrom(alone.infer({ task: 'ocr', payload: large(5_000_000), mime: 'image/png' })),
    );
    expect(error.code).toBe('NO_NODE_FOR_TASK');
    expect(error.message).toContain('too large for one message');
  });

  it('routes by model', async () => {
    const [a, b] = await start(
      { name: 'a', tasks: ['echo'], models: { echo: ['m1'] } },
      { name: 'b', tasks: ['echo'], models: { echo: ['m2'] } },
    );
    const lumen = client([a!, b!]);
    for (let i = 0; i < 3; i++) {
      expect((await firstValueFrom(lumen.infer({ task: 'echo', model: 'm2', payload: 'x' }))).node).toBe('b');
    }
    expect(b!.calls.at(-1)!.meta).toMatchObject({ 'lumen.model.id': 'm2' });
    const error = await failure(firstValueFrom(lumen.infer({ task: 'echo', model: 'm3', payload: 'x' })));
    expect(error.code).toBe('NO_NODE_FOR_TASK');
    expect(error.message).toContain('task echo, model m3');
  });

  it('fails at once for a task that nobody offers, and names those that there are', async () => {
    const [hub] = await start({ tasks: ['echo', 'ocr'] });
    const lumen = client([hub!]);
    await firstValueFrom(lumen.ready());
    const error = await failure(firstValueFrom(lumen.infer({ task: 'fly', payload: 'x' })));
    expect(error.code).toBe('NO_NODE_FOR_TASK');
    expect(error.message).toBe('no node offers task fly: the nodes offer echo, ocr');
  });

  it('cancels on the wire when its subscriber leaves', async () => {
    const [hub] = await start({ faults: { hang: true } });
    const lumen = client([hub!]);
    await firstValueFrom(lumen.ready());
    const subscription = lumen.infer({ task: 'echo', payload: 'x' }).subscribe();
    await vi.waitFor(() => expect(hub!.requests).toBe(1));
    subscription.unsubscribe();
    await vi.waitFor(() => expect(hub!.calls.at(-1)!.outcome).toBe('CANCELLED'));
    expect(lumen.metrics).toMatchObject({ cancelled: 1, inFlight: 0 });
  });
});

describe('inferStream and generateText', () => {
  it('gives the parts as they come, the last one final', async () => {
    const [hub] = await start({});
    const request = { task: 'echo', payload: 'abcdef', meta: { partials: '3' } };
    const parts = await lastValueFrom(client([hub!]).inferStream(request).pipe(toArray()));
    expect(parts.map((part) => new TextDecoder().decode(part.bytes))).toEqual(['ab', 'cd', 'ef', 'abcdef']);
    expect(parts.map(({ final }) => final)).toEqual([false, false, false, true]);
    expect(parts.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });

  it('streams a text whose parts, joined, are the text that the node generated', async () => {
    const [hub] = await start({});
    const lumen = client([hub!]);
    const parts = await lastValueFrom(
      lumen.generateText('Shall I compare', { maxTokens: 20, seed: 7 }).pipe(toArray()),
    );
    expect(parts).toHaveLength(21);
    const whole = JSON.parse(
      new TextDecoder().decode(
        (
          await firstValueFrom(
            lumen.infer({ task: 'text_generation', payload: 'Shall I compare', meta: { max_tokens: '20', seed: '7' } }),
          )
        ).bytes,
      ),
    ) as { text: string };
    expect(parts.map(({ text }) => text).join('')).toBe(whole.text);
    expect(parts.at(-1)).toMatchObject({ final: true, finishReason: 'length', soFar: whole.text, text: '' });
    expect(parts.at(-1)).toMatchObject({ inputTokens: 3, outputTokens: 20 });
  });

  it('gives the one part of a node that does not stream', async () => {
    const [python] = await start({ flavour: 'python' });
    const parts = await lastValueFrom(client([python!]).generateText('Shall I').pipe(toArray()));
    expect(parts).toHaveLength(1);
    expect(parts[0]).toMatchObject({ final: true });
    expect(parts[0]!.text).toBe(parts[0]!.soFar);
  });

  it('cancels the rest of a text of which only some words were wanted', async () => {
    const [hub] = await start({ msPerToken: 20 });
    const words = await lastValueFrom(client([hub!]).generateText('O', { maxTokens: 1_000 }).pipe(take(3), toArray()));
    expect(words).toHaveLength(3);
    await vi.waitFor(() => expect(hub!.calls.at(-1)!.outcome).toBe('CANCELLED'));
  });
});

describe('typed calls', () => {
  it.each(['hub', 'python', 'pythonHub'] as const)('parse what a node of the flavour %s answers', async (flavour) => {
    const [node] = await start({ flavour, name: 'n' });
    const lumen = client([node!]);
    expect((await firstValueFrom(lumen.embedText('a red bicycle'))).vector).toHaveLength(256);
    expect((await firstValueFrom(lumen.embedImage(png, 'image/png'))).vector.length).toBeGreaterThan(0);
    expect((await firstValueFrom(lumen.classify(png, 'image/png'))).labels[0]!.label).toBeTruthy();
    expect((await firstValueFrom(lumen.ocr(png, 'image/png'))).items.map(({ text }) => text)).toContain(' STOP HERE ');
    expect((await firstValueFrom(lumen.recognizeFaces(png, 'image/png'))).faces.length).toBeGreaterThan(0);
    expect((await lastValueFrom(lumen.generateText('Shall I'))).soFar).not.toBe('');
  });

  it('refuse what can never work before any node is asked', async () => {
    const [hub] = await start({});
    const lumen = client([hub!]);
    expect((await failure(firstValueFrom(lumen.embedText('')))).code).toBe('INVALID_ARGUMENT');
    expect((await failure(firstValueFrom(lumen.ocr(png, '')))).code).toBe('INVALID_ARGUMENT');
    expect(hub!.requests).toBe(0);
  });

  it('go by one name of the task for all calls, so that vectors compare', async () => {
    const nodes = await start({ flavour: 'python', name: 'python' }, { name: 'hub' });
    const lumen = client(nodes);
    await firstValueFrom(
      lumen.nodes$.pipe(map((set) => set.nodes.filter((n) => n.compatibility === 'compatible').length)),
    );
    await vi.waitFor(() => expect(lumen.nodes$.value.nodes.every((n) => n.capabilities.length > 0)).toBe(true));
    for (let i = 0; i < 4; i++) expect((await firstValueFrom(lumen.embedText('x'))).node).toBe('hub');
    const other = await firstValueFrom(lumen.embedText('x', { task: 'clip_text_embed' }));
    expect(other.node).toBe('python');
  });
});

describe('inferAll', () => {
  it('answers each of many requests, with progress to the end', async () => {
    const nodes = await start({ name: 'a' }, { name: 'b' }, { name: 'c' });
    const lumen = client(nodes);
    const requests = Array.from({ length: 200 }, (_, i) => ({ task: 'echo', payload: `request ${i}` }));
    const items = await lastValueFrom(lumen.inferAll(requests, { concurrency: 8 }).pipe(toArray()));
    expect(items).toHaveLength(200);
    for (const { index, result, request } of items) {
      expect(request).toBe(requests[index]);
      expect(new TextDecoder().decode(result!.bytes)).toBe(`request ${index}`);
    }
    expect(items.at(-1)!.progress).toEqual({ done: 200, failed: 0, total: 200, inFlight: 0 });
    expect(Math.max(...nodes.map(({ maxInFlight }) => maxInFlight))).toBeLessThanOrEqual(8);
    expect(nodes.every(({ requests: count }) => count > 40)).toBe(true);
  });

  it('keeps each failure with its request', async () => {
    const [hub] = await start({});
    const requests = [
      { task: 'echo', payload: 'a' },
      { task: 'echo', payload: '' },
      { task: 'fly', payload: 'b' },
    ];
    const items = await lastValueFrom(client([hub!]).inferAll(requests).pipe(toArray()));
    const byIndex = [...items].sort((a, b) => a.index - b.index);
    expect(byIndex.map(({ error }) => error?.code)).toEqual([undefined, 'INVALID_ARGUMENT', 'NO_NODE_FOR_TASK']);
    expect(items.at(-1)!.progress).toMatchObject({ done: 3, failed: 2 });
  });
});

describe('what it tells', () => {
  it('nodes with their capabilities, models and state', async () => {
    const [hub] = await start({ name: 'hub-1' });
    const lumen = client([hub!]);
    const set = await firstValueFrom(lumen.ready());
    expect(set.get('hub-1')).toMatchObject({ availability: 'ready', compatibility: 'compatible' });
    expect(set.get('hub-1')!.models).toContain('sonnets-trigram');
    expect((await firstValueFrom(lumen.capabilities('hub-1'))).map(({ service }) => service)).toContain('siglip');
    expect((await failure(firstValueFrom(lumen.capabilities('nobody')))).message).toContain('nobody is not connected');
  });

  it('its metrics and what the balancer did', async () => {
    const [a, b] = await start({ name: 'a' }, { name: 'b' });
    const lumen = client([a!, b!]);
    await vi.waitFor(() => expect(lumen.nodes$.value.nodes.filter((n) => n.capabilities.length > 0)).toHaveLength(2));
    await lastValueFrom(lumen.inferAll(Array.from({ length: 10 }, () => ({ task: 'echo', payload: 'x' }))));
    await failure(firstValueFrom(lumen.infer({ task: 'fly', payload: 'x' })));
    const metrics = await firstValueFrom(lumen.metrics$);
    expect(metrics).toMatchObject({ total: 11, succeeded: 10, failed: 1, inFlight: 0 });
    expect(metrics.successRate).toBeCloseTo(10 / 11);
    expect(metrics.averageLatencyMs).toBeGreaterThan(0);
    expect(metrics.throughputPerSecond).toBeGreaterThan(0);
    expect(await firstValueFrom(lumen.balancerStats$)).toEqual({
      strategy: 'round_robin',
      activeNodes: 2,
      totalNodes: 2,
      selections: 10,
      byNode: { a: 5, b: 5 },
    });
  });

  it('why no node is ready', async () => {
    const [hub] = await start({ warmUpMs: Infinity, name: 'hub-1' });
    const error = await failure(firstValueFrom(client([hub!]).ready({ deadlineMs: 300 })));
    expect(error.code).toBe('NO_NODES');
    expect(error.message).toContain('hub-1');
    expect(error.message).toContain('no capabilities yet');
  });
});

describe('close', () => {
  it('leaves no connection behind, and ends every Observable', async () => {
    const [hub] = await start({});
    const lumen = client([hub!]);
    await firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' }));
    const ended = lastValueFrom(lumen.nodes$);
    await lumen.close();
    await ended;
    await vi.waitFor(() => expect(hub!.connections).toBe(0));
    expect((await failure(firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' })))).code).toBe('CLOSED');
  });

  it('leaves no timer and no socket behind, whatever the calls were doing', async () => {
    // Polls by the turn, since a timer of its own would count.
    const used = () => process.getActiveResourcesInfo().filter((name) => /Timeout|TCP/.test(name));
    const until = async (ok: () => boolean) => {
      for (const late = Date.now() + 5_000; !ok() && Date.now() < late;)
        await new Promise((turn) => setImmediate(turn));
    };
    const sockets = () => used().filter((name) => name !== 'Timeout');
    await until(() => sockets().length === 0);
    const before = used().length;
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => startLumenNode({ name, msPerToken: 20 })));
    const list = nodes.map(({ name, address }) => ({ id: name, address }));
    // One that refuses to be dialled, so that a redial is pending too.
    const lumen = createLumenClient({
      discovery: staticNodes([...list, { id: 'gone', address: '127.0.0.1:9' }]),
      preset: 'basic',
    });
    await lastValueFrom(lumen.inferAll(Array.from({ length: 30 }, () => ({ task: 'echo', payload: 'x' }))));
    await vi.waitFor(() => expect(lumen.nodes$.value.get('gone')?.availability).toBe('unavailable'));
    nodes[0]!.faults({ hang: true });
    nodes[1]!.kill();
    const running: Observable<unknown>[] = [
      lumen.infer({ task: 'echo', payload: 'hangs' }),
      lumen.generateText('O', { maxTokens: 1_000 }),
      lumen.metrics$,
      lumen.balancerStats$,
    ];
    const ended = running.map(
      (call$) => new Promise<void>((end) => call$.subscribe({ error: () => end(), complete: () => end() })),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    await lumen.close({ drainMs: 0 });
    await Promise.all(ended);
    await Promise.all(nodes.map((node) => node.close(0)));
    await until(() => used().length <= before);
    expect(sockets()).toEqual([]);
    expect(used().length).toBeLessThanOrEqual(before);
  });
});

describe('events$', () => {
  it('tells of an inference as its user sees it, and of the call that it took, which bears it', async () => {
    const [hub] = await start({ name: 'hub-1' });
    const lumen = client([hub!]);
    const events: (FleetEvent | InferenceEvent)[] = [];
    lumen.events$.subscribe((event) => events.push(event));
    await lastValueFrom(lumen.generateText('Shall I', { maxTokens: 4 }).pipe(toArray()));
    const told = events.filter((event) => event.type.startsWith('inference')) as InferenceEvent[];
    expect(told.map(({ type }) => type)).toEqual([
      'inferenceStarted',
      ...Array<string>(5).fill('inferenceAnswered'),
      'inferenceEnded',
    ]);
    expect(told.at(-1)).toMatchObject({ code: 'OK', answers: 5, inference: { meta: { max_tokens: '4' } } });
    const ends = events.filter((event) => event.type === 'callEnded');
    expect(ends.map(({ call }) => call.options.partOf)).toEqual([told[0]!.inference]);
  });

  it('completes with the client, which names itself', async () => {
    const [hub] = await start({});
    const lumen = client([hub!], { service: 'my-lumen' });
    const ended = lastValueFrom(lumen.events$, { defaultValue: undefined });
    expect(lumen.service).toBe('my-lumen');
    await firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' }));
    expect(lumen.snapshot().calls.succeeded).toBe(1);
    await lumen.close();
    await ended;
  });
});
