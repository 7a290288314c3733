import { faultInjection, type FaultInjectionOptions } from '../../src/call/faultInjection.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, failedAt } from './drawnClient.js';

/** Chances in turn; the last one stays. */
const chances = (...values: number[]) => {
  let next = 0;
  return () => values[Math.min(next++, values.length - 1)]!;
};

const faults = (m: MarbleHelpers, options: FaultInjectionOptions) =>
  faultInjection({ scheduler: m.scheduler, random: () => 0, ...options });
const made = new FleetError('UNAVAILABLE', 'call was made to fail on purpose (faultInjection)');

describe('faultInjection', () => {
  marble('delays the share of calls that it is told to', (m) => {
    const random = chances(0.1, 0.5, 0.9);
    const { call } = drawnClient(
      m,
      { x: m.cold('a|') },
      { use: [faults(m, { delay: { ms: 3, ratio: 0.5 }, random })] },
    );
    m.expectObservable(call()).toBe('---a|');
    m.expectObservable(call()).toBe('a|');
  });

  marble('fails calls without asking a node', (m) => {
    const abort = { code: 'UNAVAILABLE', ratio: 1 } as const;
    const client = drawnClient(m, { x: m.cold('a|') }, { use: [faults(m, { abort })] });
    m.expectObservable(client.call()).toBe('#', {}, made);
    m.flush();
    expect(client.asked).toEqual([]);
  });

  marble('waits, then fails, where it is told both', (m) => {
    const options = { delay: { ms: 2, ratio: 1 }, abort: { code: 'UNAVAILABLE', ratio: 1 } } as const;
    const { call } = drawnClient(m, { x: m.cold('a|') }, { use: [faults(m, options)] });
    m.expectObservable(call()).toBe('--#', {}, made);
  });

  marble('around attempts is a fault of the node: another one takes over', (m) => {
    const abort = { code: 'UNAVAILABLE', ratio: 1 } as const;
    const layer = faults(m, { abort, match: (_, node) => node?.id === 'x' });
    const client = drawnClient(m, { x: m.cold('a|'), y: m.cold('b|') }, { perAttempt: [layer] });
    m.expectObservable(client.call()).toBe('--b|');
    m.flush();
    expect(client.ended).toEqual(['x failed 0', 'y ok 1']);
  });

  marble('around attempts may say that nothing was sent, so that any method is repeated', (m) => {
    const abort = { code: 'UNAVAILABLE', ratio: 1, sent: false, message: 'refused' } as const;
    const layer = faults(m, { abort, match: (_, node) => node?.id === 'x' });
    const client = drawnClient(m, { x: m.cold('a|'), y: m.cold('b|') }, { perAttempt: [layer] });
    m.expectObservable(client.call({ idempotent: false })).toBe('b|');
  });

  marble('hits what it is told to, while it is on', (m) => {
    let on = true;
    const abort = { code: 'UNAVAILABLE', ratio: 1 } as const;
    const layer = faults(m, { abort, match: (name) => name === 'other', enabled: () => on });
    m.expectObservable(drawnClient(m, { x: m.cold('a|') }, { use: [layer] }).call()).toBe('a|');
    on = false;
    const all = faults(m, { abort, enabled: () => on });
    m.expectObservable(drawnClient(m, { x: m.cold('a|') }, { use: [all] }).call()).toBe('a|');
  });

  marble('delays so many at once and no more, also when callers leave', (m) => {
    const layer = faults(m, { delay: { ms: 4, ratio: 1 }, maxActive: 1 });
    const { call } = drawnClient(m, { x: m.cold('a|') }, { use: [layer] });
    m.expectObservable(call(), '^-!').toBe('-');
    m.expectObservable(call()).toBe('a|');
    m.expectObservable(call(), '---^').toBe('-------a|');
  });

  marble('a delay counts for the deadline', (m) => {
    const { call } = drawnClient(m, { x: m.cold('a|') }, { use: [faults(m, { delay: { ms: 9, ratio: 1 } })] });
    const late = 'call had no answer within 5 ms: it never came to a node';
    m.expectObservable(call({ deadlineMs: 5 })).toBe(
      '-----#',
      {},
      new FleetError('DEADLINE_EXCEEDED', late, { sent: false }),
    );
  });

  marble('an attempt that is made to fail is charged as it says', (m) => {
    const abort = { code: 'INTERNAL', ratio: 1 } as const;
    const client = drawnClient(m, { x: m.cold('a|') }, { perAttempt: [faults(m, { abort })] });
    const error = new FleetError('INTERNAL', made.message);
    m.expectObservable(client.call()).toBe('#', {}, failedAt(error, ['x', 0]));
  });

  it('refuses what makes no sense, by name', () => {
    expect(() => faultInjection({ delay: { ms: -1, ratio: 1 } })).toThrow('faultInjection.delay.ms');
    // A timer would fire at once.
    expect(() => faultInjection({ delay: { ms: 3e9, ratio: 1 } })).toThrow('faultInjection.delay.ms');
    expect(() => faultInjection({ delay: { ms: 1, ratio: 2 } })).toThrow('faultInjection.delay.ratio');
    expect(() => faultInjection({ delay: { ms: 1, ratio: 1, jitter: 1.1 } })).toThrow('faultInjection.delay.jitter');
    expect(() => faultInjection({ abort: { code: 'UNAVAILABLE', ratio: NaN } })).toThrow('faultInjection.abort.ratio');
    expect(() => faultInjection({ abort: { code: 'NO_SUCH' as never, ratio: 1 } })).toThrow(
      'faultInjection.abort.code',
    );
    expect(() => faultInjection({ maxActive: 0 })).toThrow('faultInjection.maxActive');
  });
});
