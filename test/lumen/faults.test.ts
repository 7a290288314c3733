import { createServer } from 'node:net';
import { firstValueFrom, lastValueFrom, tap, toArray } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import {
  createLumenClient,
  type InferRequest,
  type LumenClient,
  type LumenClientOptions,
} from '../../src/lumen/index.js';
import { startLumenNode, type LumenNode, type LumenNodeOptions } from '../../src/testing/lumenNode.js';

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Faults = NonNullable<LumenNodeOptions['faults']>;

/** A good node and one with faults, named for what they are; the client asks the bad one first. */
async function pair(faults: Faults, bad: LumenNodeOptions = {}, options: LumenClientOptions = {}) {
  const [broken, good] = await Promise.all([startLumenNode({ name: 'bad', ...bad }), startLumenNode({ name: 'good' })]);
  ends.push(
    () => broken.close(0),
    () => good.close(0),
  );
  const lumen = client([broken, good], options);
  await allKnown(lumen, 2);
  broken.faults(faults);
  return { broken, good, lumen };
}

async function alone(faults: Faults, bad: LumenNodeOptions = {}, options: LumenClientOptions = {}) {
  const broken = await startLumenNode({ name: 'bad', ...bad });
  ends.push(() => broken.close(0));
  const lumen = client([broken], options);
  await allKnown(lumen, 1);
  broken.faults(faults);
  return { broken, lumen };
}

function client(nodes: readonly LumenNode[], options: LumenClientOptions): LumenClient {
  const lumen = createLumenClient({
    discovery: staticNodes(nodes.map(({ name, address }) => ({ id: name, address }))),
    ...options,
    calls: { ...options.calls, retry: { initialBackoffMs: 5, ...options.calls?.retry } },
  });
  ends.push(() => lumen.close({ drainMs: 0 }));
  return lumen;
}

const allKnown = (lumen: LumenClient, count: number) =>
  vi.waitFor(() =>
    expect(lumen.nodes$.value.nodes.filter((node) => node.compatibility === 'compatible')).toHaveLength(count),
  );
const failure = (promise: Promise<unknown>): Promise<FleetError> =>
  promise.then(
    (value) => {
      throw new Error(`it was answered: ${JSON.stringify(value)}`);
    },
    (error: unknown) => error as FleetError,
  );
const text = ({ bytes }: { readonly bytes: Uint8Array }) => new TextDecoder().decode(bytes);
const request: InferRequest = { task: 'echo', payload: 'hello', meta: { chunks: '3' } };

/** What each fault is on a node that nobody can stand in for: the code, and words of the message. */
const faulty: readonly [what: string, faults: Faults, code: string, words: string, own?: Partial<InferRequest>][] = [
  ['answers with the wrong correlation id', { correlationId: 'not-mine' }, 'BAD_RESPONSE', 'correlation id "not-mine"'],
  ['skips a chunk', { skipChunk: 1 }, 'BAD_RESPONSE', 'chunk 1 of 3 is missing'],
  ['skips the last chunk', { skipChunk: 2 }, 'BAD_RESPONSE', 'it ended after 2 of 3 chunks'],
  ['repeats a chunk', { repeatChunk: 1 }, 'BAD_RESPONSE', 'it repeats chunk 1 of 3'],
  ['repeats the last chunk', { repeatChunk: 2 }, 'BAD_RESPONSE', 'something followed its final part'],
  ['says another total than there is', { totalOff: 2 }, 'BAD_RESPONSE', 'chunk 2 of 5 is marked as final'],
  ['dies once it has read the request', { dieAfterMessages: 0 }, 'UNAVAILABLE', ''],
  ['dies amid its chunks', { dieAfterMessages: 1 }, 'UNAVAILABLE', ''],
  ['fails every request', { errorEvery: 1, errorCode: 'INTERNAL' }, 'INTERNAL', ''],
  [
    'fails inside an answer that ends as OK',
    { errorEvery: 1, errorCode: 'INTERNAL', errorInBand: true },
    'INTERNAL',
    '',
  ],
  ['says inside an answer that it is not ready', { errorEvery: 1, errorInBand: true }, 'UNAVAILABLE', ''],
  ['says that it is still starting', { unavailableMs: Infinity }, 'UNAVAILABLE', ''],
  ['sends a frame that is no message', { garbledFrame: true }, 'INTERNAL', ''],
  ['sends a frame that is cut short', { truncatedFrame: true }, 'BAD_RESPONSE', 'without any answer'],
];

describe('a node with a fault', () => {
  it.each(faulty)('that %s: the error says what and where', async (_, faults, code, words, own = {}) => {
    const { lumen } = await alone(faults);
    const error = await failure(firstValueFrom(lumen.infer({ ...request, ...own }, { deadlineMs: 5_000 })));
    expect(error).toBeInstanceOf(FleetError);
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.node).toBe('bad');
    expect(error.attempts.length).toBeGreaterThan(0);
    expect(error.attempts.every(({ node }) => node === 'bad')).toBe(true);
  });

  it.each(faulty)('that %s: another node answers', async (_, faults) => {
    const { lumen, broken } = await pair(faults);
    for (let i = 0; i < 4; i++) {
      const result = await firstValueFrom(lumen.infer(request, { deadlineMs: 5_000 }));
      expect([result.node, text(result)]).toEqual(['good', 'hello']);
    }
    expect(broken.requests + Number(faults.unavailableMs !== undefined)).toBeGreaterThan(0);
  });

  it('that accepts and never answers: the call ends at its deadline, and says who was asked', async () => {
    const { lumen, broken } = await alone({ hang: true });
    const before = Date.now();
    const error = await failure(firstValueFrom(lumen.infer(request, { deadlineMs: 300 })));
    expect(Date.now() - before).toBeLessThan(1_500);
    expect(error.code).toBe('DEADLINE_EXCEEDED');
    expect(error.attempts[0]).toMatchObject({ node: 'bad', code: 'DEADLINE_EXCEEDED' });
    await vi.waitFor(() => expect(broken.inFlight).toBe(0));
  });

  it('that accepts and never answers: another node takes over when a first response is due', async () => {
    const { lumen } = await pair({ hang: true });
    for (let i = 0; i < 3; i++) {
      const result = await firstValueFrom(lumen.infer(request, { firstResponseTimeoutMs: 100, deadlineMs: 5_000 }));
      expect(result.node).toBe('good');
    }
  });

  it('that never speaks on its connection is never asked, and nothing waits for it', async () => {
    const { lumen } = await pair({});
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    ends.push(() => void mute.close());
    await new Promise((resolve) => mute.once('listening', resolve));
    const { port } = mute.address() as { port: number };
    const [good] = lumen.nodes$.value.nodes;
    const both = createLumenClient({
      discovery: staticNodes([
        { id: 'mute', address: `127.0.0.1:${port}` },
        { id: 'good', address: good!.address },
      ]),
    });
    ends.push(() => both.close({ drainMs: 0 }));
    for (let i = 0; i < 3; i++)
      expect((await firstValueFrom(both.infer(request, { deadlineMs: 5_000 }))).node).toBe('good');
  });

  it('that refuses the request as malformed: no other node is asked, since all would', async () => {
    const { lumen, good } = await pair({ errorEvery: 1, errorCode: 'INVALID_ARGUMENT' });
    const codes = [];
    for (let i = 0; i < 2; i++) {
      codes.push(
        await firstValueFrom(lumen.infer(request)).then(
          () => 'OK',
          (e: FleetError) => e.code,
        ),
      );
    }
    expect(codes.sort()).toEqual(['INVALID_ARGUMENT', 'OK']);
    expect(good.requests).toBe(1);
  });

  it('that denies a task that it offers is asked for its capabilities again', async () => {
    const { lumen, broken } = await pair({ errorEvery: 1, errorCode: 'NOT_FOUND' });
    for (let i = 0; i < 2; i++) expect((await firstValueFrom(lumen.infer(request))).node).toBe('good');
    await vi.waitFor(() =>
      expect(broken.calls.filter(({ method }) => method === 'StreamCapabilities').length).toBeGreaterThan(1),
    );
  });

  it('that answers past the limit of results', async () => {
    const { lumen } = await alone({ oversizedBytes: 1_000 });
    const error = await failure(firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' }, { maxResultBytes: 999 })));
    expect(error.code).toBe('RESOURCE_EXHAUSTED');
    expect(error.message).toContain('maxResultBytes (999)');
    expect(error.attempts).toHaveLength(1);
  });

  it('that answers with a message past the limit of the transport', async () => {
    const { lumen } = await alone({ oversizedBytes: 17 * 1_048_576 });
    const error = await failure(firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' })));
    expect(error.code).toBe('RESOURCE_EXHAUSTED');
    expect(error.node).toBe('bad');
  });

  it.each([
    ['says another schema', { wrongSchema: 'labels_v1' }, 'labels_v1'],
    ['answers with JSON cut short', { cutResult: true }, 'cannot be read as JSON'],
    ['answers without a byte', { emptyResult: true }, 'cannot be read as JSON'],
  ] satisfies [string, Faults, string][])(
    'that %s: the typed call says so and keeps the bytes',
    async (_, faults, words) => {
      const { lumen } = await alone(faults);
      const error = await failure(firstValueFrom(lumen.embedText('a red bicycle')));
      expect(error.code).toBe('BAD_SCHEMA');
      expect(error.message).toContain(words);
      expect(error.bytes).toBeInstanceOf(Uint8Array);
      expect(error.node).toBe('bad');
      const { lumen: both } = await pair(faults);
      for (let i = 0; i < 3; i++) expect((await firstValueFrom(both.embedText('x'))).node).toBe('good');
    },
  );

  it('that gives no MIME type is still read', async () => {
    const { lumen } = await alone({ missingMime: true });
    expect((await firstValueFrom(lumen.embedText('a red bicycle'))).vector).toHaveLength(256);
  });
});

describe('a stream', () => {
  it('that breaks before its first part goes on from another node', async () => {
    const { lumen } = await pair({ dieAfterMessages: 0 });
    for (let i = 0; i < 3; i++) {
      const parts = await lastValueFrom(lumen.generateText('Shall I', { maxTokens: 5 }).pipe(toArray()));
      expect(parts).toHaveLength(6);
      expect(parts[0]!.node).toBe('good');
    }
  });

  it('that breaks after its first part ends in an error, and no word is said twice', async () => {
    const { lumen } = await alone({ dieAfterMessages: 3 }, { msPerToken: 5 });
    const words: string[] = [];
    const text$ = lumen.generateText('Shall I', { maxTokens: 50 }).pipe(tap(({ text: word }) => words.push(word)));
    const error = await failure(lastValueFrom(text$));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.node).toBe('bad');
    expect(words.length).toBeGreaterThan(0);
    expect(words.length).toBeLessThanOrEqual(3);
  });

  it('that falls silent ends in an error that says so', async () => {
    const { lumen } = await alone({}, { msPerToken: 400 });
    const text$ = lumen.generateText('Shall I', { maxTokens: 5, partTimeoutMs: 100, retry: false });
    const error = await failure(lastValueFrom(text$));
    expect(error.message).toContain('(partTimeoutMs)');
    expect(error.node).toBe('bad');
  });
});

describe('nodes that are not ready', () => {
  it('a hub that warms up is waited for within the deadline, and then answers', async () => {
    const hub = await startLumenNode({ name: 'hub', warmUpMs: 700 });
    ends.push(() => hub.close(0));
    const result = await firstValueFrom(client([hub], {}).infer(request, { deadlineMs: 10_000 }));
    expect(text(result)).toBe('hello');
    expect(hub.requests).toBe(1);
  });

  it('a hub that warms up for too long ends the call at its deadline', async () => {
    const hub = await startLumenNode({ name: 'hub', warmUpMs: Infinity });
    ends.push(() => hub.close(0));
    const error = await failure(firstValueFrom(client([hub], {}).infer(request, { deadlineMs: 300 })));
    expect(error.code).toBe('DEADLINE_EXCEEDED');
    expect(hub.requests).toBe(0);
  });

  it('a Python node that loads its model is passed over', async () => {
    const { lumen } = await pair({ unavailableMs: Infinity }, { flavour: 'python' });
    for (let i = 0; i < 4; i++) expect((await firstValueFrom(lumen.infer(request))).node).toBe('good');
  });

  it('a node of a foreign version is listed, with the reason, and never asked', async () => {
    const foreign = await startLumenNode({ name: 'foreign', protocolVersion: '2.0' });
    const good = await startLumenNode({ name: 'good' });
    ends.push(
      () => foreign.close(0),
      () => good.close(0),
    );
    const lumen = client([foreign, good], {});
    await vi.waitFor(() => expect(lumen.nodes$.value.get('foreign')?.compatibility).toBe('incompatible'));
    expect(lumen.nodes$.value.get('foreign')!.compatibilityReason).toContain('2.0');
    for (let i = 0; i < 3; i++) expect((await firstValueFrom(lumen.infer(request))).node).toBe('good');
    expect(foreign.requests).toBe(0);
  });

  it('a Python hub without a protocol version is asked, unless legacyNodes is off', async () => {
    const old = await startLumenNode({ name: 'old', flavour: 'pythonHub' });
    ends.push(() => old.close(0));
    expect(text(await firstValueFrom(client([old], {}).infer({ task: 'echo', payload: 'x' })))).toBe('x');
    const strict = client([old], { legacyNodes: false });
    await vi.waitFor(() => expect(strict.nodes$.value.get('old')?.compatibility).toBe('incompatible'));
    expect((await failure(firstValueFrom(strict.infer(request)))).code).toBe('NO_NODES');
  });

  it('a node that answers no question for capabilities is asked again, and used once it answers', async () => {
    const shy = await startLumenNode({ name: 'shy', faults: { hangCapabilities: true } });
    ends.push(() => shy.close(0));
    const lumen = client([shy], { capabilityTimeoutMs: 100 });
    await vi.waitFor(() => expect(lumen.nodes$.value.get('shy')?.compatibilityReason).toContain('no capabilities yet'));
    shy.faults({});
    expect(text(await firstValueFrom(lumen.infer(request, { deadlineMs: 5_000 })))).toBe('hello');
  });

  it('the one node with a task is waited for while it restarts', async () => {
    const only = await startLumenNode({ name: 'only', tasks: ['echo'] });
    const other = await startLumenNode({ name: 'other', tasks: ['ocr'] });
    ends.push(() => other.close(0));
    const lumen = client([only, other], {});
    await allKnown(lumen, 2);
    only.kill();
    await vi.waitFor(() => expect(lumen.nodes$.value.get('only')?.availability).toBe('unavailable'), {
      timeout: 5_000,
    });
    const answer = firstValueFrom(lumen.infer({ task: 'echo', payload: 'x' }, { deadlineMs: 10_000 }));
    const again = await startLumenNode({ name: 'only', tasks: ['echo'], port: only.port });
    ends.push(() => again.close(0));
    expect((await answer).node).toBe('only');
  });

  it('a call whose only node is killed under it is answered once the node is back', async () => {
    const first = await startLumenNode({ name: 'only', faults: { hang: true } });
    const lumen = client([first], {});
    await allKnown(lumen, 1);
    const answer = firstValueFrom(lumen.infer(request, { deadlineMs: 15_000 }));
    await vi.waitFor(() => expect(first.requests).toBe(1));
    first.kill();
    await vi.waitFor(() => expect(lumen.nodes$.value.get('only')?.availability).toBe('unavailable'), {
      timeout: 5_000,
    });
    const again = await startLumenNode({ name: 'only', port: first.port });
    ends.push(() => again.close(0));
    expect(text(await answer)).toBe('hello');
  });
});
