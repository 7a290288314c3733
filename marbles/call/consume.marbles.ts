import { Observable, defer, of, range, take, tap } from 'rxjs';
import { consume } from '../../src/call/consume.js';
import { currentDemand, type Demand } from '../../src/core/demand.js';
import { marble } from '../../src/testing/marble.js';

describe('consume', () => {
  marble('one at a time keeps the order', ({ cold, expectObservable }) => {
    const work = { a: cold('--x|', { x: 'A' }), b: cold('-x|', { x: 'B' }) };
    expectObservable(consume(cold<string>('ab|'), (key: string) => work[key as 'a' | 'b'])).toBe('--A-B|');
  });

  marble('as many at once as concurrency says', ({ cold, expectObservable, expectSubscriptions }) => {
    const slow = cold('---x|');
    expectObservable(consume(cold('abc|'), () => slow, { concurrency: 2 })).toBe('---xx--x|');
    expectSubscriptions(slow.subscriptions).toBe(['^---!', '-^---!', '----^---!']);
  });

  marble('an error of the work ends it and cancels the rest', ({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold<string>('ab-c|');
    const work = { a: cold('-#'), b: cold('---x|'), c: cold('x|') };
    expectObservable(consume(source, (key: string) => work[key as 'a' | 'b' | 'c'], { concurrency: 2 })).toBe('-#');
    expectSubscriptions(source.subscriptions).toBe('^!');
    expectSubscriptions(work.b.subscriptions).toBe('-(^!)');
  });

  marble('who has enough stops a source, and work, that answer at once', ({ expectObservable }) => {
    let given = 0;
    const many = range(1, 1_000).pipe(tap(() => given++));
    expectObservable(consume(many, (n) => [n]).pipe(take(2))).toBe('(ab|)', { a: 1, b: 2 });
    expectObservable(consume(of(0), () => many).pipe(take(2))).toBe('(ab|)', { a: 1, b: 2 });
    expectObservable(defer(() => of(given))).toBe('(g|)', { g: 4 });
  });

  marble('unsubscribing cancels the source and the work', ({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('a-b');
    const work = cold('----x|');
    expectObservable(
      consume(source, () => work),
      '^-!',
    ).toBe('-');
    expectSubscriptions(source.subscriptions).toBe('^-!');
    expectSubscriptions(work.subscriptions).toBe('^-!');
  });

  marble('never, empty and failing sources pass', ({ cold, expectObservable }) => {
    expectObservable(consume(cold('-'), () => cold('x|'))).toBe('-');
    expectObservable(consume(cold('--|'), () => cold('x|'))).toBe('--|');
    expectObservable(consume(cold('-#'), () => cold('x|'))).toBe('-#');
  });

  marble('a call is told to stop reading while the work is full, and to go on when there is room', (m) => {
    const log: string[] = [];
    const call = defer(() => {
      const demand = currentDemand() as Demand;
      return new Observable<string>((subscriber) => {
        const read = () => {
          log.push(`read at ${m.scheduler.now()}`);
          subscriber.next('m');
          if (log.length === 3) subscriber.complete();
          else if (demand.ready) read();
          else demand.whenReady(read);
        };
        read();
      });
    });
    m.expectObservable(consume(call, () => m.cold('---x|'))).toBe('---x---x---x|');
    m.flush();
    expect(log).toEqual(['read at 0', 'read at 4', 'read at 8']);
  });
});
