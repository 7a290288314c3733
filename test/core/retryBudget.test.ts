import fc from 'fast-check';
import { VirtualTimeScheduler } from 'rxjs';
import { retryBudget } from '../../src/core/retryBudget.js';

const clock = () => {
  const scheduler = new VirtualTimeScheduler();
  return {
    scheduler,
    set now(at: number) {
      scheduler.frame = at;
    },
    get now() {
      return scheduler.frame;
    },
  };
};

describe('retryBudget', () => {
  it('lets a quiet client retry: ten a second, over ten seconds', () => {
    const { scheduler } = clock();
    const budget = retryBudget({ scheduler });
    expect(budget.balance).toBe(100);
    let taken = 0;
    while (budget.withdraw()) taken++;
    expect(taken).toBe(100);
  });

  it('gives one retry for every five calls', () => {
    const { scheduler } = clock();
    const budget = retryBudget({ minPerSecond: 0, scheduler });
    for (let i = 0; i < 4; i++) budget.deposit();
    expect(budget.withdraw()).toBe(false);
    budget.deposit();
    expect(budget.withdraw()).toBe(true);
    expect(budget.withdraw()).toBe(false);
  });

  it('forgets calls, and retries, after its window', () => {
    const time = clock();
    const budget = retryBudget({ minPerSecond: 1, ttlMs: 10_000, ratio: 1, scheduler: time.scheduler });
    for (let i = 0; i < 5; i++) budget.deposit();
    for (let i = 0; i < 12; i++) budget.withdraw();
    expect(budget.balance).toBe(3);
    time.now = 9_999;
    expect(budget.balance).toBe(3);
    time.now = 10_000;
    expect(budget.balance).toBe(10);
    time.now = 500_000;
    expect(budget.balance).toBe(10);
  });

  it('is not upset by a clock that goes back', () => {
    const time = clock();
    time.now = 50_000;
    const budget = retryBudget({ minPerSecond: 1, scheduler: time.scheduler });
    for (let i = 0; i < 10; i++) expect(budget.withdraw()).toBe(true);
    time.now = 10_000;
    expect(budget.withdraw()).toBe(false);
    budget.deposit();
    time.now = 60_001;
    expect(budget.balance).toBe(10);
  });

  it('bounds the load of a total outage to 1 + ratio times the calls, and the allowance', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 0, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 300 }),
        (ratio, minPerSecond, gaps) => {
          const time = clock();
          const budget = retryBudget({ ratio, minPerSecond, scheduler: time.scheduler });
          let calls = 0;
          let retries = 0;
          for (const gap of gaps) {
            time.now += gap;
            calls++;
            budget.deposit();
            // Everything fails, and every call would retry for ever.
            while (retries < calls * 1_000 && budget.withdraw()) retries++;
          }
          const windows = Math.floor(time.now / 10_000) + 1;
          // A window's allowance can be spent once a window; one call of a slot may count in two.
          expect(retries).toBeLessThanOrEqual(calls * ratio + (windows + 1) * minPerSecond * 10 + 1);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('amplifies a long outage by a fifth with its defaults', () => {
    const time = clock();
    const budget = retryBudget({ scheduler: time.scheduler });
    let calls = 0;
    let retries = 0;
    // A thousand calls a second for a minute, each of which fails and would be tried four times.
    for (let ms = 0; ms < 60_000; ms++) {
      time.now = ms;
      calls++;
      budget.deposit();
      for (let attempt = 0; attempt < 3 && budget.withdraw(); attempt++) retries++;
    }
    expect((calls + retries) / calls).toBeLessThanOrEqual(1.2 + (10 * 60 + 100) / 60_000);
    expect((calls + retries) / calls).toBeGreaterThan(1.15);
  });

  it('spends no savings while retries come to nothing: an outage is amplified by a fifth in each of its seconds', () => {
    const time = clock();
    const budget = retryBudget({ scheduler: time.scheduler });
    const retries = new Array<number>(60).fill(0);
    for (let ms = 0; ms < 60_000; ms++) {
      time.now = ms;
      budget.deposit();
      const second = Math.floor(ms / 1_000);
      if (second < 20) {
        budget.ended!(true);
        continue;
      }
      for (let attempt = 0; attempt < 3 && budget.withdraw(); attempt++) {
        retries[second]!++;
        budget.wasted!();
      }
    }
    expect(retries.slice(0, 20).every((count) => count === 0)).toBe(true);
    // It takes a few retries to find out, which are made up for.
    expect(retries[20]).toBeLessThanOrEqual(200 + 20);
    for (const count of retries.slice(21)) expect(count).toBeLessThanOrEqual(200);
    expect(retries.slice(22)).toContain(200);
    const all = retries.reduce((sum, count) => sum + count, 0);
    expect(all).toBeLessThanOrEqual(0.2 * 40_000 + 1);
    expect(all).toBeGreaterThan(0.195 * 40_000);
  });

  it('spends its savings for the calls of a node that dies, where others answer them', () => {
    const { scheduler } = clock();
    const budget = retryBudget({ minPerSecond: 0, scheduler });
    for (let i = 0; i < 1_000; i++) budget.deposit();
    let taken = 0;
    for (; budget.withdraw(); taken++) budget.ended!(true);
    expect(taken).toBe(200);
  });

  it('has its savings back once calls are answered again', () => {
    const { scheduler } = clock();
    const budget = retryBudget({ scheduler });
    for (let i = 0; i < 1_000; i++) budget.deposit();
    for (let i = 0; i < 100; i++) budget.wasted!();
    expect(budget.balance).toBe(1);
    expect(budget.withdraw()).toBe(true);
    expect(budget.balance).toBe(0);
    for (let i = 0; i < 10; i++) budget.ended!(true);
    expect(budget.balance).toBe(299);
  });

  it('lets a quiet client retry in an outage, too: ten a second, as they come, also where the clock goes back', () => {
    const time = clock();
    time.now = 50_000;
    const budget = retryBudget({ ratio: 0, scheduler: time.scheduler });
    for (let i = 0; i < 100; i++) budget.wasted!();
    const takenIn = (ms: number) => {
      let taken = 0;
      for (const end = time.now + ms; time.now < end; time.now++) if (budget.withdraw()) taken++;
      return taken;
    };
    expect(takenIn(3_000)).toBe(30);
    time.now = 10_000;
    expect(takenIn(3_000)).toBe(30);
  });

  it.each([
    [{ ratio: -1 }, /ratio/],
    [{ minPerSecond: -1 }, /minPerSecond/],
    [{ ttlMs: 5 }, /ttlMs/],
    [{ ttlMs: Infinity, minPerSecond: 0 }, /ttlMs/],
    [{ ratio: NaN }, /ratio/],
  ])('refuses %j by name', (options, message) => {
    expect(() => retryBudget(options)).toThrow(message);
  });
});
