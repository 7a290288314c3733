import { mergeMap, range } from 'rxjs';
import { retryBudget } from '../../src/core/retryBudget.js';
import { marble } from '../../src/testing/marble.js';
import { drawnClient } from './drawnClient.js';

describe('openCopies', () => {
  const hedge = { delayMs: 3 };

  marble('nodes that answer nobody get a copy of as many calls as the budget pays for, not of all of them', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0.5, minPerSecond: 1 });
    const client = drawnClient(m, { x: m.cold('-'), y: m.cold('-') }, { budget });
    const four$ = range(0, 4).pipe(mergeMap(() => client.call({ hedge })));
    m.expectObservable(four$, '^-----------------!').toBe('-');
    m.flush();
    // One, and half of the four.
    expect(client.asked).toHaveLength(4 + 3);
  });

  marble('a copy for which there was no room goes when there is some, and no other call is kept by it', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 1 });
    const never = m.cold('-');
    const client = drawnClient(m, { x: [never, m.cold('-b|')], y: [never, m.cold('--a|')] }, { budget });
    m.expectObservable(client.call({ hedge })).toBe('-----a|');
    // Tried at 3, and again after twice the delay.
    m.expectObservable(client.call({ hedge })).toBe('----------b|');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'y', 'x']);
    const refused = client.events.filter((event) => event.type === 'retryRefused');
    expect(refused).toMatchObject([{ at: 3, reason: 'budget', code: undefined }]);
  });

  marble('without a delay of its own a copy still waits for room, and does not ask again and again', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 1 });
    const never = m.cold('-');
    const client = drawnClient(m, { x: [never, m.cold('b|')], y: [never, m.cold('--a|')] }, { budget });
    const atOnce = { hedge: { delayMs: 0 } };
    m.expectObservable(client.call(atOnce)).toBe('--a|');
    m.expectObservable(client.call(atOnce)).toBe('--b|');
    m.flush();
    expect(client.asked).toEqual(['x', 'y', 'y', 'x']);
  });

  marble('copies of calls that were given up make room', (m) => {
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 1 });
    const client = drawnClient(m, { x: m.cold('-'), y: m.cold('-') }, { budget });
    m.expectObservable(client.call({ hedge }), '^-----!').toBe('-');
    m.expectObservable(client.call({ hedge }), '--------^------!').toBe('-');
    m.flush();
    expect(client.asked).toHaveLength(4);
  });
});
