import { catchError, count, EMPTY, lastValueFrom, mergeMap, range, VirtualTimeScheduler } from 'rxjs';
import { SwiftEnds } from '../../src/core/swiftEnds.js';
import { createPool, rateLimit, type FleetError } from '../../src/index.js';

describe('failures that come at once', () => {
  it('are told at once, 32 a turn; what comes then is told in the next, unless it is taken back', () => {
    const scheduler = new VirtualTimeScheduler();
    const ends = new SwiftEnds(scheduler);
    const told: number[] = [];
    const laterOnes = Array.from({ length: 40 }, (_, i) => ends.tell(() => told.push(i)));
    expect(told).toHaveLength(32);
    expect(laterOnes.filter((later) => later === undefined)).toHaveLength(32);
    laterOnes[35]!.unsubscribe();
    scheduler.flush();
    expect(told.slice(32)).toEqual([32, 33, 34, 36, 37, 38, 39]);
    ends.tell(() => told.push(40));
    expect(told.at(-1)).toBe(40);
  });

  it('are all told to ten thousand calls, of which each begins as one before it ends', async () => {
    const pool = createPool<string>({
      members: [{ id: 'a', resource: 'a' }],
      use: [rateLimit({ perSecond: 1, burst: 8 })],
    });
    const codes = new Map<string, number>();
    const use$ = pool
      .use(() => new Promise<string>((resolve) => setImmediate(() => resolve('x'))))
      .pipe(
        catchError(({ code }: FleetError) => {
          codes.set(code, (codes.get(code) ?? 0) + 1);
          return EMPTY;
        }),
      );
    const answered = await lastValueFrom(
      range(0, 10_000).pipe(
        mergeMap(() => use$, 8),
        count(),
      ),
    );
    expect([...codes.keys()]).toEqual(['RATE_LIMITED']);
    expect(answered + codes.get('RATE_LIMITED')!).toBe(10_000);
    expect(pool.snapshot().calls).toMatchObject({ total: 10_000, inFlight: 0 });
    await pool.close();
    // Nor is it otherwise with calls of a client that is gone.
    let refused = 0;
    const late$ = use$.pipe(catchError(() => EMPTY));
    await lastValueFrom(
      range(0, 10_000).pipe(
        mergeMap(() => {
          refused++;
          return late$;
        }, 8),
      ),
      { defaultValue: undefined },
    );
    expect(refused).toBe(10_000);
  });
});
