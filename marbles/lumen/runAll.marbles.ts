import { catchError, map, of, Subject, take, throwError, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { runAll, type BatchItem } from '../../src/lumen/runAll.js';
import { marble } from '../../src/testing/marble.js';

/** `0:a 1/3+1`: the first is over with a, 1 of 3 done, one in flight; `x` for a failure. */
const line = ({ index, result, error, progress }: BatchItem<string, string>) =>
  `${index}:${error ? 'x' : result} ${progress.done}/${progress.total ?? '?'}+${progress.inFlight}`;
const batch = (
  source: Parameters<typeof runAll<string, string>>[0],
  run: (request: string) => Observable<string>,
  concurrency = 2,
) => runAll(source, run, concurrency).pipe(map(line));
const failure = new FleetError('INTERNAL', 'no');

describe('runAll', () => {
  marble('results come as they finish, and the next begins when there is room', (m) => {
    const runs: Record<string, ReturnType<typeof m.cold<string>>> = {
      a: m.cold('-----(a|)'),
      b: m.cold('--(b|)'),
      c: m.cold('--(c|)'),
    };
    m.expectObservable(batch(['a', 'b', 'c'], (request) => runs[request]!)).toBe('--b-c(d|)', {
      b: '1:b 1/3+1',
      c: '2:c 2/3+1',
      d: '0:a 3/3+0',
    });
    m.expectSubscriptions(runs['a']!.subscriptions).toBe('^----!');
    m.expectSubscriptions(runs['b']!.subscriptions).toBe('^-!');
    m.expectSubscriptions(runs['c']!.subscriptions).toBe('--^-!');
  });

  marble('a failure is its own: the others go on', (m) => {
    const runs: Record<string, Observable<string>> = { a: m.cold('--#', {}, failure), b: m.cold('----(b|)') };
    m.expectObservable(batch(['a', 'b'], (request) => runs[request]!)).toBe('--x-(b|)', {
      x: '0:x 1/2+1',
      b: '1:b 2/2+0',
    });
  });

  marble('a request that throws at once is a failure like any other', (m) => {
    const run = (request: string) => {
      if (request === 'a') throw failure;
      return m.cold('-(b|)');
    };
    m.expectObservable(batch(['a', 'b'], run)).toBe('x(b|)', { x: '0:x 1/2+0', b: '1:b 2/2+0' });
  });

  marble('a run that ends without a result is a failure', (m) => {
    m.expectObservable(batch(['a'], () => m.cold('-|'))).toBe('-(x|)', { x: '0:x 1/1+0' });
  });

  marble('an empty source is done at once', (m) => {
    m.expectObservable(batch([], () => m.cold('a'))).toBe('|');
  });

  marble('an Observable of requests: the total is known once it has ended', (m) => {
    const source = m.cold('a-b-|');
    m.expectObservable(batch(source, (request) => m.cold('-(r|)', { r: request }))).toBe('-a-b|', {
      a: '0:a 1/?+0',
      b: '1:b 2/?+0',
    });
    m.expectSubscriptions(source.subscriptions).toBe('^---!');
  });

  marble('what an Observable emits beyond the concurrency waits', (m) => {
    const run = (request: string) => m.cold('---(r|)', { r: request });
    m.expectObservable(batch(m.cold('(abc|)'), run, 1)).toBe('---a--b--(c|)', {
      a: '0:a 1/3+0',
      b: '1:b 2/3+0',
      c: '2:c 3/3+0',
    });
  });

  marble('when the source fails, those in flight end first, then the error follows', (m) => {
    const source = m.cold('a-#', {}, new Error('no file'));
    const result = batch(source, () => m.cold('----(a|)')).pipe(catchError((error: unknown) => of(String(error))));
    m.expectObservable(result).toBe('----(ae|)', {
      a: '0:a 1/1+0',
      e: 'FleetError: the source of the requests failed: no file',
    });
  });

  marble('unsubscribing cancels all, and the source', (m) => {
    const run = m.cold('-----(a|)');
    const source = m.cold('a-b------');
    m.expectObservable(
      batch(source, () => run),
      '---!',
    ).toBe('----');
    m.expectSubscriptions(source.subscriptions).toBe('^--!');
    m.expectSubscriptions(run.subscriptions).toBe(['^--!', '--^!']);
  });

  marble('a source without end is asked only for what there is room for', (m) => {
    let asked = 0;
    function* endless() {
      for (;;) yield String(asked++);
    }
    const result = batch(endless(), () => m.cold('--(r|)')).pipe(take(2));
    m.expectObservable(result).toBe('--(ab|)', { a: '0:r 1/?+1', b: '1:r 2/?+1' });
    m.flush();
    expect(asked).toBe(3);
  });

  it('runs a long list of requests that are over at once without a deep stack', () => {
    let last = '';
    const requests = Array.from({ length: 50_000 }, (_, i) => String(i));
    runAll(requests, (request) => (request === '7' ? throwError(() => failure) : of(request)), 3)
      .pipe(map(line))
      .subscribe((text) => (last = text));
    expect(last).toBe('49999:49999 50000/50000+0');
  });

  it('asks an AsyncIterable for more only as fast as it works, and ends it when given up', async () => {
    let asked = 0;
    let ended = false;
    async function* source() {
      try {
        for (;;) yield String(asked++);
      } finally {
        ended = true;
      }
    }
    const running: Subject<string>[] = [];
    const items: string[] = [];
    const subscription = runAll(
      source(),
      () => {
        const run$ = new Subject<string>();
        running.push(run$);
        return run$;
      },
      2,
    )
      .pipe(map(line))
      .subscribe((text) => items.push(text));
    const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
    await turn();
    expect([asked, running.length]).toEqual([2, 2]);
    running[1]!.next('r');
    running[1]!.complete();
    await turn();
    expect([asked, running.length, items]).toEqual([3, 3, ['1:r 1/?+1']]);
    subscription.unsubscribe();
    await turn();
    expect(ended).toBe(true);
    expect(running.every((run$) => !run$.observed)).toBe(true);
  });

  it('refuses a concurrency under 1', () => {
    expect(() => runAll([], () => of(''), 0)).toThrow('concurrency must be at least 1, not 0');
  });
});
