import { clientPoolBreaker, type ClientPoolBreakerOptions } from '../../src/call/clientPoolBreaker.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, failedAt, type Answers } from './drawnClient.js';

const broken = new FleetError('UNKNOWN', 'broken');

/** One node behind it, called at each of these moments; what became of the calls, in order. */
function outcomes(
  m: MarbleHelpers,
  x: Answers,
  times: readonly number[],
  options?: ClientPoolBreakerOptions,
): string[] {
  const client = drawnClient(m, { x }, { policies: [clientPoolBreaker(options)] });
  const seen: string[] = [];
  for (const ms of times) {
    m.cold(`${ms}ms x`).subscribe(() =>
      client.call({ retry: false }).subscribe({
        next: (answer) => seen.push(answer),
        error: ({ code }: FleetError) => seen.push(code),
      }),
    );
  }
  return seen;
}

describe('clientPoolBreaker', () => {
  marble('opens after three failures in a row, for five seconds, and always for five', (m) => {
    const bad = m.cold('#', {}, broken);
    const seen = outcomes(m, bad, [0, 1, 2, 3, 4_999, 5_003, 5_004, 10_000, 10_004, 10_005]);
    m.flush();
    const failed = 'UNKNOWN';
    const open = 'CIRCUIT_OPEN';
    expect(seen).toEqual([failed, failed, failed, open, open, failed, open, open, failed, open]);
  });

  marble('lets one call through to see, not the herd, and closes when that succeeds', (m) => {
    const bad = m.cold('#', {}, broken);
    const options = { maxFails: 1, cooldownMs: 10 };
    const seen = outcomes(m, [bad, m.cold('---a|', { a: 'probe' }), m.cold('(a|)')], [0, 11, 12, 13, 15, 16], options);
    m.flush();
    expect(seen).toEqual(['UNKNOWN', 'CIRCUIT_OPEN', 'CIRCUIT_OPEN', 'probe', 'a', 'a']);
  });

  marble('does not go by failures that began before it opened: they prolong no cooldown', (m) => {
    const late = m.cold('9ms #', {}, broken);
    const bad = m.cold('#', {}, broken);
    const seen = outcomes(m, [late, bad, m.cold('(a|)')], [0, 1, 5, 12], { maxFails: 1, cooldownMs: 10 });
    m.flush();
    expect(seen).toEqual(['UNKNOWN', 'CIRCUIT_OPEN', 'UNKNOWN', 'a']);
  });

  marble('callers who give up open nothing', (m) => {
    const client = drawnClient(m, { x: m.cold('-') }, { policies: [clientPoolBreaker({ maxFails: 1 })] });
    for (const ms of [0, 5, 10]) m.expectObservable(client.call(), `${ms}ms ^--!`).toBe('-');
    m.flush();
    expect(client.asked.length).toBe(3);
    expect(client.ended.every((ended) => ended.startsWith('x cancelled'))).toBe(true);
  });

  marble('maxFails: 0 never opens', (m) => {
    const client = drawnClient(m, { x: m.cold('#', {}, broken) }, { policies: [clientPoolBreaker({ maxFails: 0 })] });
    for (let ms = 0; ms < 50; ms++) {
      m.expectObservable(client.call({ retry: false }), `${ms}ms ^`).toBe(`${ms}ms #`, {}, failedAt(broken, ['x', 0]));
    }
    m.flush();
    expect(client.asked.length).toBe(50);
  });
});
