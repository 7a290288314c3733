import { create } from '@bufbuild/protobuf';
import { EMPTY, lastValueFrom, NEVER, of, Subject, throwError, toArray } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { Metadata } from '../../src/core/metadata.js';
import { methodOf } from '../../src/core/method.js';
import { rpc } from '../../src/core/rpc.js';
import { ChatMessageSchema, Greeter, HelloRequestSchema } from '../../src/gen/demo/greeter_pb.js';
import { fakeChannel, type WireEvent } from './fakeChannel.js';

const sayHello = methodOf(Greeter.method.sayHello);
const chat = methodOf(Greeter.method.chat);
const text = (text: string) => create(ChatMessageSchema, { text });

describe('rpc', () => {
  it('starts nothing before it is subscribed to, and sends the one request whole', async () => {
    const channel = fakeChannel(() => of<WireEvent[]>({ message: 'answer' }, { end: {} }));
    const request = create(HelloRequestSchema, { name: 'Ada' });
    const answer$ = rpc(channel, sayHello, request, { deadline: 7 });
    expect(channel.calls).toHaveLength(0);
    expect(await lastValueFrom(answer$)).toBe('answer');
    const [call] = channel.calls;
    expect(call).toMatchObject({ sent: [request], halfClosed: true, cancelled: false, context: { deadline: 7 } });
  });

  it('hands on headers and trailers, also those of a failure', async () => {
    const seen: [string, Metadata][] = [];
    const channel = fakeChannel(() =>
      of<WireEvent[]>({ headers: { a: '1' } }, { end: { code: 'ABORTED', trailers: { b: '2' } } }),
    );
    const answer$ = rpc(channel, sayHello, create(HelloRequestSchema), {
      onHeaders: (headers) => seen.push(['headers', headers]),
      onTrailers: (trailers) => seen.push(['trailers', trailers]),
    });
    const error = await lastValueFrom(answer$).catch((thrown: unknown) => thrown as FleetError);
    expect(seen).toEqual([
      ['headers', { a: '1' }],
      ['trailers', { b: '2' }],
    ]);
    expect(error).toMatchObject({ code: 'ABORTED', sent: true });
    // The node gave no reason, so the message says what the code means.
    expect((error as FleetError).message).not.toBe('');
  });

  it('reads without limit when nobody pulls', () => {
    const channel = fakeChannel(() => NEVER);
    rpc(channel, chat, EMPTY).subscribe();
    expect(channel.calls[0]!.credit).toBe(Infinity);
  });

  it('sends each request as it comes, then half-closes', async () => {
    const channel = fakeChannel(() => NEVER);
    const requests$ = new Subject<ReturnType<typeof text>>();
    rpc(channel, chat, requests$).subscribe();
    const [call] = channel.calls;
    requests$.next(text('a'));
    expect(call!.sent).toEqual([text('a')]);
    expect(call!.halfClosed).toBe(false);
    requests$.complete();
    expect(call!.halfClosed).toBe(true);
  });

  it('stops the requests when the node ends the call early', async () => {
    const requests$ = new Subject<ReturnType<typeof text>>();
    const channel = fakeChannel(() => of<WireEvent>({ end: {} }));
    expect(await lastValueFrom(rpc(channel, chat, requests$).pipe(toArray()))).toEqual([]);
    expect(requests$.observed).toBe(false);
  });

  it('stops the requests and cancels when it is unsubscribed', () => {
    const requests$ = new Subject<ReturnType<typeof text>>();
    const channel = fakeChannel(() => NEVER);
    rpc(channel, chat, requests$).subscribe().unsubscribe();
    expect(requests$.observed).toBe(false);
    expect(channel.calls[0]!.cancelled).toBe(true);
  });

  it.each([
    ['later', () => throwError(() => new Error('disk full'))],
    ['in an iterable', () => failing()],
  ])('cancels and tells why when the source of the requests fails (%s)', async (_, requests) => {
    const channel = fakeChannel(() => NEVER);
    const answer$ = rpc(channel, chat, requests() as never);
    await expect(lastValueFrom(answer$)).rejects.toMatchObject({
      code: 'CANCELLED',
      message: expect.stringContaining('disk full'),
    });
    expect(channel.calls[0]!.cancelled).toBe(true);
    expect(channel.calls[0]!.halfClosed).toBe(false);
  });

  it('keeps the code of a FleetError that the source of the requests fails with', async () => {
    const error = new FleetError('BAD_SCHEMA', 'no image');
    const answer$ = rpc(
      fakeChannel(() => NEVER),
      chat,
      throwError(() => error),
    );
    await expect(lastValueFrom(answer$)).rejects.toBe(error);
  });

  it('fails, and hangs not, when the channel throws at a message that cannot be encoded', async () => {
    const channel = {
      ...fakeChannel(() => NEVER),
      start: () => {
        throw new TypeError('name: not a string');
      },
    };
    await expect(lastValueFrom(rpc(channel, sayHello, create(HelloRequestSchema)))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      sent: false,
    });
  });

  it('does not read on after it was left within a message', async () => {
    const channel = fakeChannel(() => of<WireEvent[]>({ message: 1 }, { message: 2 }, { end: {} }));
    const seen: unknown[] = [];
    await new Promise<void>((done) => {
      const subscription = rpc(channel, chat, EMPTY).subscribe((message) => {
        seen.push(message);
        subscription.unsubscribe();
        done();
      });
    });
    expect(seen).toEqual([1]);
    expect(channel.calls[0]!.cancelled).toBe(true);
  });
});

function* failing() {
  yield text('a');
  throw new Error('disk full');
}
