import { setImmediate as turn } from 'node:timers/promises';
import { of, Subject } from 'rxjs';
import type { ActiveCall } from '../../src/core/channel.js';
import { sendAll } from '../../src/core/sendAll.js';

function wire(window: number) {
  const sent: unknown[] = [];
  const state = { sent, window, halfClosed: 0, failed: [] as unknown[] };
  const call: ActiveCall<unknown> = {
    send: (message) => {
      sent.push(message);
      return --state.window > 0;
    },
    halfClose: () => state.halfClosed++,
    request: () => undefined,
    cancel: () => undefined,
  };
  return Object.assign(state, { call, fail: (error: unknown) => state.failed.push(error) });
}

describe('sendAll', () => {
  it('pulls an iterable only while the wire takes messages', () => {
    const node = wire(2);
    let pulled = 0;
    const sending = sendAll(
      node.call,
      endless(() => pulled++),
      node.fail,
    );
    expect(node.sent).toEqual([0, 1]);
    expect(pulled).toBe(2);
    node.window = 3;
    sending.drain();
    expect(node.sent).toEqual([0, 1, 2, 3, 4]);
    expect(node.halfClosed).toBe(0);
  });

  it('pulls an async iterable only while the wire takes messages, and closes it when left', async () => {
    const node = wire(2);
    let pulled = 0;
    let closed = false;
    const source = (async function* () {
      try {
        for (;;) yield pulled++;
      } finally {
        closed = true;
      }
    })();
    const sending = sendAll(node.call, source, node.fail);
    for (let i = 0; i < 10; i++) await turn();
    expect(node.sent).toEqual([0, 1]);
    node.window = 1;
    sending.drain();
    for (let i = 0; i < 10; i++) await turn();
    expect(node.sent).toEqual([0, 1, 2]);
    sending.unsubscribe();
    await turn();
    expect(closed).toBe(true);
    expect(node.halfClosed).toBe(0);
  });

  it.each([
    ['an array', [1, 2, 3], () => [1, 2, 3]],
    ['an Observable', [1, 2, 3], () => of(1, 2, 3)],
    ['a promise', [1], () => Promise.resolve(1)],
    [
      'an async generator',
      [1, 2, 3],
      () =>
        (async function* () {
          yield* [1, 2, 3];
        })(),
    ],
    ['nothing', [], () => []],
  ])('sends all of %s and half-closes once', async (_, expected, source) => {
    const node = wire(Infinity);
    sendAll<unknown>(node.call, source(), node.fail);
    for (let i = 0; i < 10; i++) await turn();
    expect(node.halfClosed).toBe(1);
    expect(node.sent).toEqual(expected);
    expect(node.failed).toEqual([]);
  });

  it('tells of a source that throws, and of a message that cannot be sent, and sends no more', async () => {
    const bad = new Error('no');
    const source$ = new Subject<number>();
    const thrower = wire(9);
    thrower.call.send = () => {
      throw bad;
    };
    sendAll(thrower.call, source$, thrower.fail);
    source$.next(1);
    expect(thrower.failed).toEqual([bad]);
    expect(source$.observed).toBe(false);

    for (const source of [
      (function* () {
        yield 1;
        throw bad;
      })(),
      (async function* () {
        yield 1;
        throw bad;
      })(),
    ]) {
      const node = wire(9);
      sendAll<number>(node.call, source, node.fail);
      for (let i = 0; i < 10; i++) await turn();
      expect(node.failed).toEqual([bad]);
      expect(node.sent).toEqual([1]);
      expect(node.halfClosed).toBe(0);
    }

    const iterable = wire(9);
    iterable.call.send = thrower.call.send;
    sendAll(iterable.call, [1, 2], iterable.fail);
    expect(iterable.failed).toEqual([bad]);
  });

  it('survives a drain from within a send', () => {
    const node = wire(1);
    const { send } = node.call;
    let again = true;
    const sending: { current?: ReturnType<typeof sendAll> } = {};
    node.call.send = (message) => {
      const taken = send(message);
      if (again && sending.current) {
        again = false;
        node.window = 2;
        sending.current.drain();
      }
      return taken;
    };
    sending.current = sendAll(node.call, [1, 2, 3, 4], node.fail);
    node.window = 1;
    sending.current.drain();
    node.window = 9;
    sending.current.drain();
    expect(node.sent).toEqual([1, 2, 3, 4]);
    expect(node.halfClosed).toBe(1);
  });
});

function* endless(onPull: () => void) {
  for (let i = 0; ; i++) {
    onPull();
    yield i;
  }
}
