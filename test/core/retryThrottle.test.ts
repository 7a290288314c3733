import { TestScheduler } from 'rxjs/testing';
import { retryBudget } from '../../src/core/retryBudget.js';
import { retryThrottle } from '../../src/core/retryThrottle.js';

const scheduler = new TestScheduler(() => undefined);
const throttled = (maxTokens = 10, tokenRatio = 0.1) =>
  retryThrottle(retryBudget({ scheduler, minPerSecond: 1_000 }), { maxTokens, tokenRatio });

describe('retryThrottle', () => {
  it('lets nothing be retried once half of its tokens are gone, as gRFC A6 says', () => {
    const budget = throttled();
    for (let i = 0; i < 4; i++) budget.ended!(false);
    expect(budget.withdraw()).toBe(true);
    budget.ended!(false);
    expect(budget.withdraw()).toBe(false);
    expect(budget.balance).toBe(0);
  });

  it('opens again as attempts succeed, a ratio of a token each', () => {
    const budget = throttled();
    for (let i = 0; i < 5; i++) budget.ended!(false);
    expect(budget.withdraw()).toBe(false);
    budget.ended!(true);
    expect(budget.withdraw()).toBe(true);
  });

  it('stays shut while requests fail by their own fault: only successes open it', () => {
    const budget = throttled();
    for (let i = 0; i < 5; i++) budget.ended!(false);
    for (let i = 0; i < 100; i++) budget.ended!(undefined);
    expect(budget.withdraw()).toBe(false);
    budget.ended!(true);
    expect(budget.withdraw()).toBe(true);
    for (let i = 0; i < 100; i++) budget.ended!(undefined);
    expect(budget.withdraw()).toBe(true);
  });

  it('never has more than all of its tokens, nor less than none', () => {
    const budget = throttled(4, 1);
    for (let i = 0; i < 100; i++) budget.ended!(true);
    for (let i = 0; i < 100; i++) budget.ended!(false);
    for (let i = 0; i < 2; i++) budget.ended!(true);
    expect(budget.withdraw()).toBe(false);
    budget.ended!(true);
    expect(budget.withdraw()).toBe(true);
  });

  it('asks the budget beneath as well', () => {
    const poor = retryThrottle(retryBudget({ scheduler, ratio: 0, minPerSecond: 0 }), { maxTokens: 10, tokenRatio: 1 });
    expect(poor.withdraw()).toBe(false);
    const rich = retryThrottle(retryBudget({ scheduler, ratio: 1, minPerSecond: 0 }), { maxTokens: 10, tokenRatio: 1 });
    rich.deposit();
    expect(rich.withdraw()).toBe(true);
    expect(rich.withdraw()).toBe(false);
  });

  it('tells the budget beneath what became of attempts and retries', () => {
    const told: string[] = [];
    const beneath = {
      deposit: () => undefined,
      withdraw: () => true,
      putBack: () => void told.push('put back'),
      ended: (ok: boolean | undefined) => void told.push(`ended ${ok}`),
      wasted: () => void told.push('wasted'),
      copiesAtOnce: (calls: number) => calls + 1,
      balance: 1,
    };
    const budget = retryThrottle(beneath, { maxTokens: 10, tokenRatio: 1 });
    budget.ended!(false);
    budget.ended!(undefined);
    budget.wasted!();
    expect(told).toEqual(['ended false', 'ended undefined', 'wasted']);
    expect(budget.copiesAtOnce(5)).toBe(6);
  });

  it('refuses numbers that gRPC refuses, by name', () => {
    expect(() => throttled(0)).toThrow('retryThrottling.maxTokens');
    expect(() => throttled(1_001)).toThrow('retryThrottling.maxTokens');
    expect(() => throttled(NaN)).toThrow('retryThrottling.maxTokens');
    expect(() => throttled(10, 0)).toThrow('retryThrottling.tokenRatio');
  });
});
