/** A stream of a real service that breaks after it has spoken, and goes on by a strategy. */

import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom, lastValueFrom, map, take, toArray } from 'rxjs';
import { create } from '@bufbuild/protobuf';
import {
  createClient,
  createFleet,
  staticNodes,
  toAsyncIterable,
  type Resume,
  type ResumedInfo,
} from '../../src/index.js';
import { Greeter, HelloRequestSchema, type HelloReply, type HelloRequest } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../support/greeter.js';

/** Replies are numbered from 0; the greeter always begins there, so what was read is asked for again and dropped. */
const fromStart: Resume<HelloRequest, HelloReply, number> = {
  continuity: 'exact',
  begin: () => 0,
  see: (count) => count + 1,
  next: ({ name, replies }, count) => (count < replies ? create(HelloRequestSchema, { name, replies }) : undefined),
  position: ({ seq }) => seq,
};

let servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close(0)));
});

async function world() {
  servers = await Promise.all(['a', 'b'].map((name) => startGreeter({ name })));
  const fleet = createFleet({
    discovery: staticNodes(servers.map(({ name, address }) => ({ id: name, address }))),
    transport: grpcTransport(),
  });
  await firstValueFrom(fleet.ready({ nodes: 2 }));
  return { fleet, greeter: createClient(fleet, Greeter) };
}

describe('resume', () => {
  it('gives every message once, in order, though the node broke the connection amid the stream', async () => {
    const { fleet, greeter } = await world();
    await using _ = fleet;
    servers[0]!.faults({ breakAfter: 7 });
    const resumed: ResumedInfo[] = [];
    const replies = await lastValueFrom(
      greeter
        .lotsOfReplies({ name: 'Ada', replies: 20 }, { resume: fromStart, onResumed: (info) => resumed.push(info) })
        .pipe(toArray()),
    );
    expect(replies.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(new Set(replies.map(({ node }) => node))).toEqual(new Set(['a', 'b']));
    expect(resumed).toMatchObject([{ continuity: 'exact', error: { code: 'UNAVAILABLE', node: 'a' } }]);
    expect(fleet.snapshot().calls).toMatchObject({ succeeded: 1, resumes: 1, failovers: 1 });
  });

  it('is a call of its own with each subscription', async () => {
    const { fleet, greeter } = await world();
    await using _ = fleet;
    servers[0]!.faults({ breakAfter: 3 });
    const stream$ = greeter.lotsOfReplies({ name: 'Ada', replies: 6 }, { resume: fromStart }).pipe(
      map(({ seq }) => seq),
      toArray(),
    );
    expect(await lastValueFrom(stream$)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await lastValueFrom(stream$)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('does not take a reader who pauses for a node that stalls', async () => {
    const { fleet, greeter } = await world();
    await using _ = fleet;
    const resume = { ...fromStart, stall: { minMs: 50 } };
    const seen: number[] = [];
    for await (const { seq } of toAsyncIterable(greeter.lotsOfReplies({ name: 'Ada', replies: 60 }, { resume }))) {
      seen.push(seq);
      if (seq % 20 === 10) await sleep(200);
    }
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(fleet.snapshot().calls).toMatchObject({ succeeded: 1, resumes: 0 });
  });

  it('tells a node that cannot keep count', async () => {
    const { fleet, greeter } = await world();
    await using _ = fleet;
    const shifted: typeof fromStart = { ...fromStart, position: ({ seq }) => seq * 2 };
    const call = lastValueFrom(greeter.lotsOfReplies({ name: 'Ada', replies: 3 }, { resume: shifted }));
    await expect(call).rejects.toMatchObject({ code: 'BAD_RESPONSE' });
  });

  it('ends with the subscriber, on the wire', async () => {
    const { fleet, greeter } = await world();
    await using _ = fleet;
    await lastValueFrom(greeter.lotsOfReplies({ name: 'Ada', replies: 10_000 }, { resume: fromStart }).pipe(take(3)));
    await vi.waitFor(() => expect(servers.reduce((sum, { active }) => sum + active, 0)).toBe(0));
  });
});
