import { map } from 'rxjs';
import type { Balancer } from '../../src/balancer/picker.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import type { Barred, NodeGate, Policy } from '../../src/call/policy.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient } from './drawnClient.js';

const barred: Barred = { code: 'CIRCUIT_OPEN', obstacle: 'circuitOpen', reason: 'shut' };

/** A guard that counts who is inside, and says of each node what it is told to. */
function guard(enter: (id: string) => Barred | undefined, wait?: NodeGate['wait']) {
  const count = { inside: 0 };
  const nodeGate: NodeGate = {
    enter({ id }) {
      const shut = enter(id);
      if (shut === undefined) count.inside++;
      return shut;
    },
    leave: () => void count.inside--,
    undo: () => void count.inside--,
    wait,
  };
  const policy: Policy = { name: 'guard', start: () => ({ nodeGate, close: () => undefined }) };
  return { policy, count };
}

/** One that is shut at a node until somebody has waited there for three frames. */
function opening({ scheduler }: MarbleHelpers, at: string) {
  let open = false;
  return guard(
    (id) => (id === at && !open ? { ...barred, obstacle: 'limited' } : undefined),
    (entrant) => {
      scheduler.schedule(() => {
        open = true;
        entrant.admit();
      }, 3);
      return true;
    },
  );
}

describe('guardedPick', () => {
  marble('goes on to the next node where one is shut, and leaves the gates it had passed there', (m) => {
    const first = guard(() => undefined);
    const second = guard((id) => (id === 'x' ? barred : undefined));
    const client = drawnClient(
      m,
      { x: m.cold('-(x|)'), y: m.cold('-(y|)') },
      { policies: [first.policy, second.policy] },
    );
    m.expectObservable(client.call()).toBe('-(y|)');
    m.flush();
    expect(client.asked).toEqual(['y']);
    expect([first.count.inside, second.count.inside]).toEqual([0, 0]);
  });

  marble('waits where it may wait, though the last node is shut for good', (m) => {
    const limit = opening(m, 'x');
    const breaker = guard((id) => (id === 'y' ? barred : undefined));
    const client = drawnClient(
      m,
      { x: m.cold('-(x|)'), y: m.cold('-(y|)') },
      { policies: [limit.policy, breaker.policy] },
    );
    m.expectObservable(client.call()).toBe('----(x|)');
  });

  marble('waits at the gate that has a place for who waits, though another refuses, whichever was shut last', (m) => {
    const waiting = (limited: string) => {
      const limit = opening(m, limited);
      const breaker = guard(
        (id) => (id === limited ? undefined : barred),
        () => false,
      );
      const policies = [limit.policy, breaker.policy];
      const client = drawnClient(m, { x: m.cold('-(a|)'), y: m.cold('-(a|)') }, { policies });
      m.expectObservable(client.call()).toBe('----(a|)');
      return [limit.count, breaker.count];
    };
    const counts = [...waiting('x'), ...waiting('y')];
    m.flush();
    expect(counts.map(({ inside }) => inside)).toEqual([0, 0, 0, 0]);
  });

  marble('fails where every gate refuses who would wait, each asked once', (m) => {
    const asked: string[] = [];
    const refusing = (name: string, shut: string) =>
      guard(
        (id) => (id.startsWith(shut) ? barred : undefined),
        () => asked.push(name) === 0,
      ).policy;
    const policies = [refusing('first', 'x'), refusing('second', 'y')];
    const answers = { x1: m.cold('a'), x2: m.cold('a'), y: m.cold('a') };
    const text = 'call: no node can take the call. Known are x1: shut; x2: shut; y: shut';
    m.expectObservable(drawnClient(m, answers, { policies }).call()).toBe(
      '#',
      {},
      new FleetError('CIRCUIT_OPEN', text, { sent: false }),
    );
    m.flush();
    expect(asked).toEqual(['first', 'second']);
  });

  marble('goes through a fleet that is full in two picks, where its gates can be peeked at', (m) => {
    let picks = 0;
    const counting: Balancer = (set$) =>
      set$.pipe(
        roundRobin(),
        map((picker) => ({
          set: picker.set,
          pick: (context) => {
            picks++;
            return picker.pick(context);
          },
        })),
      );
    const ids = Array.from({ length: 50 }, (_, i) => `n${i}`);
    const nodeGate: NodeGate = {
      enter: ({ id }) => (id === 'n49' ? undefined : barred),
      peek: (id) => (id === 'n49' ? undefined : barred),
      leave: () => undefined,
      undo: () => undefined,
    };
    const policies: Policy[] = [{ name: 'guard', start: () => ({ nodeGate, close: () => undefined }) }];
    const answers = Object.fromEntries(ids.map((id) => [id, m.cold('(a|)')]));
    const client = drawnClient(m, answers, { policies, balancer: counting });
    m.expectObservable(client.call()).toBe('(a|)');
    m.flush();
    expect(client.asked).toEqual(['n49']);
    expect(picks).toBe(2);
  });

  marble('a gate that throws fails the call, and leaves nothing behind', (m) => {
    const first = guard(() => undefined);
    const broken = guard(() => {
      throw new Error('no idea');
    });
    const client = drawnClient(m, { x: m.cold('-(x|)') }, { policies: [first.policy, broken.policy] });
    m.expectObservable(client.call()).toBe('#', {}, FleetError.from(new Error('no idea')));
    m.flush();
    expect(first.count.inside).toBe(0);
    expect(client.nodes().get('x')!.stats.inFlight).toBe(0);
  });
});
