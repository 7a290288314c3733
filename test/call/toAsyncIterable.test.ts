import { defer, filter, interval, map, Observable, of, take, throwError } from 'rxjs';
import { toAsyncIterable } from '../../src/call/toAsyncIterable.js';
import { currentDemand } from '../../src/core/demand.js';

/** A source that reads its messages as a call does: one at a time, while the consumer wants some. */
function callOf(messages: number, log: number[] = []): Observable<number> {
  return defer(() => {
    const demand = currentDemand();
    return new Observable<number>((subscriber) => {
      let sent = 0;
      const read = () => {
        if (subscriber.closed) return;
        if (sent === messages) return subscriber.complete();
        log.push(++sent);
        subscriber.next(sent);
        if (!demand || demand.ready) queueMicrotask(read);
        else demand.whenReady(read);
      };
      queueMicrotask(read);
    });
  });
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('toAsyncIterable', () => {
  it('gives every value in order, then ends', async () => {
    const seen: number[] = [];
    for await (const value of toAsyncIterable(of(1, 2, 3))) seen.push(value);
    expect(seen).toEqual([1, 2, 3]);
  });

  it('throws the error of the source, after the values before it', async () => {
    const seen: number[] = [];
    const source = new Observable<number>((subscriber) => {
      subscriber.next(1);
      subscriber.error(new Error('broken'));
    });
    await expect(async () => {
      for await (const value of toAsyncIterable(source)) seen.push(value);
    }).rejects.toThrow('broken');
    expect(seen).toEqual([1]);
    await expect(
      toAsyncIterable(throwError(() => new Error('at once')))
        [Symbol.asyncIterator]()
        .next(),
    ).rejects.toThrow('at once');
  });

  it('reads no further ahead than highWaterMark, so a slow consumer does not fill the memory', async () => {
    const read: number[] = [];
    const iterator = toAsyncIterable(callOf(1_000, read), { highWaterMark: 4 })[Symbol.asyncIterator]();
    await iterator.next();
    await settled();
    expect(read.length).toBeLessThanOrEqual(5);
    await iterator.next();
    await settled();
    expect(read.length).toBeLessThanOrEqual(6);
    await iterator.return!();
  });

  it('holds the call back through operators, and is not starved by those that drop values', async () => {
    const read: number[] = [];
    const source = callOf(1_000, read).pipe(
      filter((n) => n % 100 === 0),
      map((n) => n / 100),
    );
    const iterator = toAsyncIterable(source, { highWaterMark: 1 })[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: 1 });
    await settled();
    // One value is taken, one waits: nothing beyond 200 may have been read.
    expect(read.length).toBeLessThanOrEqual(200);
    const rest: number[] = [];
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) rest.push(next.value);
    expect(rest).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('leaving the loop unsubscribes, so the call is cancelled', async () => {
    let cancelled = false;
    const source = new Observable<number>((subscriber) => {
      subscriber.add(interval(1).pipe(take(1_000)).subscribe(subscriber));
      subscriber.add(() => (cancelled = true));
    });
    for await (const value of toAsyncIterable(source)) if (value === 2) break;
    expect(cancelled).toBe(true);
  });

  it('subscribes only when the first value is asked for', async () => {
    let subscribed = false;
    const iterable = toAsyncIterable(defer(() => ((subscribed = true), of(1))));
    const iterator = iterable[Symbol.asyncIterator]();
    expect(subscribed).toBe(false);
    await iterator.next();
    expect(subscribed).toBe(true);
  });

  it('answers several askers in turn, and all of them at the end', async () => {
    const iterator = toAsyncIterable(callOf(2))[Symbol.asyncIterator]();
    const results = await Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    expect(results.map((r) => (r.done ? 'end' : r.value))).toEqual([1, 2, 'end']);
  });

  it('refuses a senseless highWaterMark by name', () => {
    expect(() => toAsyncIterable(of(1), { highWaterMark: 0 })).toThrow(/highWaterMark must be at least 1, not 0/);
  });
});
