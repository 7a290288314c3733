/** A millisecond a frame. The life is 9 ms unless said, so heartbeats are due at 3, 6, 9, … after the put was sent. */

import { map, take, type Observable, type SchedulerLike } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { NodeInit } from '../../src/core/node.js';
import { register, type RegisterOptions } from '../../src/registration/register.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { scriptedRegistry, type ScriptedRegistry } from '../../test/registration/scriptedRegistry.js';

const down = new FleetError('UNAVAILABLE', 'script 127.0.0.1:1 is down: start it');
const unknown = new FleetError('NOT_FOUND', 'script does not know the lease');
const refused = new FleetError('UNAUTHENTICATED', 'script refused the password');

const nodeOf = (weight = 1): NodeInit => ({ service: 'demo', address: '10.0.0.1:1', weight });
const nodes = { a: nodeOf(1), b: nodeOf(2), c: nodeOf(3) };

/** `registered w1 until 9`, `lost: why`, … so that a diagram shows all that a user is told. */
function told(
  m: MarbleHelpers,
  registry: ScriptedRegistry,
  options: RegisterOptions & { readonly node$?: Observable<NodeInit> } = {},
): Observable<string> {
  const { node$ = nodeOf(), ...rest } = options;
  return register(node$, registry, {
    ...{ scheduler: m.scheduler, random: () => 0.5, backoff: { initialBackoffMs: 2 }, ...rest },
  }).pipe(
    map(({ state, node, deadline, lateMs, reason }) => {
      const until = deadline === undefined ? '' : ` until ${deadline}`;
      const late = lateMs === undefined ? '' : ` late ${lateMs}`;
      return `${state} w${node.weight}${until}${late}${reason ? `: ${reason}` : ''}`;
    }),
  );
}

const values = {
  r: 'registering w1',
  a: 'registered w1 until 9',
  b: 'registered w1 until 12',
  c: 'registered w1 until 15',
  d: 'registered w1 until 18',
  l: 'lost w1: script does not know the lease',
  u: 'lost w1: no heartbeat was answered within its life of 9 ms',
  f: `registering w1: ${down.message}`,
  w: 'withdrawing w1',
};

describe('register', () => {
  marble('heartbeats go at a third of the life, and each counts from its sending', (m) => {
    const put = m.cold('   -(p|)');
    const renew = m.cold(' -(t|)');
    const withdraw = m.cold('|');
    const registry = scriptedRegistry({ put: [put], renew: [renew], withdraw: [withdraw] });
    m.expectObservable(told(m, registry), '^---------!').toBe('ra--b--c--', values);
    m.expectSubscriptions(put.subscriptions).toBe('            ^!');
    m.expectSubscriptions(renew.subscriptions).toBe(['---^!', '------^!', '---------^!']);
    m.expectSubscriptions(withdraw.subscriptions).toBe('----------(^!)');
  });

  marble('slow answers do not make the heartbeats drift', (m) => {
    const renew = m.cold('--(t|)');
    const registry = scriptedRegistry({ put: [m.cold('--(p|)')], renew: [renew], withdraw: [m.cold('|')] });
    m.expectObservable(told(m, registry), '^---------!').toBe('r-a--b--c', values);
    m.expectSubscriptions(renew.subscriptions).toBe(['---^-!', '------^-!', '---------^-!']);
  });

  marble('a registry that never answers leaves it registering, and each put has its time', (m) => {
    const put = m.cold('-');
    const registry = scriptedRegistry({ put: [put] });
    const late = `registering w1: script did not answer the put of node 10.0.0.1:1 within 4 ms: check that it is reachable`;
    m.expectObservable(told(m, registry, { answerTimeoutMs: 4 }), '^-------!').toBe('r---t---', { ...values, t: late });
    m.expectSubscriptions(put.subscriptions).toBe(['^---!', '------^---!']);
  });

  marble('a put that fails is tried again, later each time', (m) => {
    const put = m.cold('-#', undefined, down);
    const registry = scriptedRegistry({ put: [put] });
    m.expectObservable(told(m, registry), '^---------!').toBe('rf--f----f', values);
    m.expectSubscriptions(put.subscriptions).toBe(['^!', '---^!', '--------^!']);
  });

  marble('credentials refused at the first put are an error, since no other try will help', (m) => {
    const put = m.cold('-#', undefined, refused);
    m.expectObservable(told(m, scriptedRegistry({ put: [put] }))).toBe('r#', values, refused);
    m.expectSubscriptions(put.subscriptions).toBe('^!');
  });

  marble('what a registry has forgotten is lost at once, and put in again', (m) => {
    const again = m.cold('----(p|)');
    const renew = m.cold('-#', undefined, unknown);
    const registry = scriptedRegistry({ put: [m.cold('-(p|)'), again], renew: [renew], withdraw: [m.cold('|')] });
    // Put again at 4, so it lives until 13, and its next heartbeat is due at 10.
    m.expectObservable(told(m, registry), '^---------!').toBe('ra--(lr)x', {
      ...{ ...values, x: 'registered w1 until 13' },
    });
    m.expectSubscriptions(again.subscriptions).toBe('----^---!');
    m.expectSubscriptions(renew.subscriptions).toBe('---^!');
  });

  marble('without an answer it is lost when its life ends, not a moment later', (m) => {
    const put = m.cold('   -(p|)');
    const renew = m.cold(' -');
    const registry = scriptedRegistry({ put: [put], renew: [renew], withdraw: [m.cold('|')] });
    m.expectObservable(told(m, registry), '^---------!').toBe('ra-------(ur)', values);
    m.expectSubscriptions(renew.subscriptions).toBe(['---^-----!', '------^--!']);
    m.expectSubscriptions(put.subscriptions).toBe(['  ^!', '---------^!']);
  });

  marble('a heartbeat that fails is tried again within the life', (m) => {
    const failing = m.cold('-#', undefined, down);
    const good = m.cold('   (t|)');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [failing, good], withdraw: [m.cold('|')] });
    const backoff = { initialBackoffMs: 1 };
    m.expectObservable(told(m, registry, { backoff }), '^-----!').toBe('ra---x', {
      ...{ ...values, x: 'registered w1 until 14' },
    });
    m.expectSubscriptions(failing.subscriptions).toBe('---^!');
    m.expectSubscriptions(good.subscriptions).toBe('-----(^!)');
  });

  marble('a heartbeat that fails is tried again no later than the next is due', (m) => {
    const failing = m.cold('-#', undefined, down);
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [failing], withdraw: [m.cold('|')] });
    const backoff = { initialBackoffMs: 1_000 };
    m.expectObservable(told(m, registry, { backoff }), '^-------!').toBe('ra', values);
    m.expectSubscriptions(failing.subscriptions).toBe(['---^!', '------^!']);
  });

  marble('the reason of a loss is what the last heartbeat failed of', (m) => {
    const registry = scriptedRegistry({
      ...{ put: [m.cold('-(p|)'), m.cold('-')], renew: [m.cold('#', undefined, down)], withdraw: [m.cold('|')] },
    });
    m.expectObservable(told(m, registry), '^---------!').toBe('ra-------(xr)', {
      ...{ ...values, x: `${values.u}: ${down.message}` },
    });
  });

  marble('a heartbeat answered late counts from its sending, so the deadline is never a hope', (m) => {
    const renew = m.cold('-----(t|)');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [renew], withdraw: [m.cold('|')] });
    m.expectObservable(told(m, registry), '^------------!').toBe('ra------b--c-', values);
    m.expectSubscriptions(renew.subscriptions).toBe([
      '---^----!',
      '------^----!',
      '---------^----!',
      '------------^----!',
    ]);
  });

  marble('a heartbeat that hangs is overtaken by the next, and given up then', (m) => {
    const hanging = m.cold('-');
    const registry = scriptedRegistry({
      ...{ put: [m.cold('-(p|)')], renew: [hanging, m.cold('-(t|)')], withdraw: [m.cold('|')] },
    });
    m.expectObservable(told(m, registry), '^-------!').toBe('ra-----c', values);
    m.expectSubscriptions(hanging.subscriptions).toBe('---^---!');
  });

  marble('a registry that grants another life is believed', (m) => {
    const renew = [m.cold('(t|)', { t: 6 }), m.cold('(t|)', { t: 0 })];
    const registry = scriptedRegistry({ put: [m.cold('-(p|)'), m.cold('-')], renew, withdraw: [m.cold('|')] });
    // Granted 6 at 3, so the next tick is at 5; there it grants nothing more.
    m.expectObservable(told(m, registry), '^-----!').toBe('ra-a-(xr)', {
      ...{ ...values, x: 'lost w1: the registry says that its life has ended' },
    });
  });

  marble('a registry without lives is asked for nothing', (m) => {
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], withdraw: [m.cold('|')], ttlMs: Infinity });
    m.expectObservable(told(m, registry), '^ 9000m !').toBe('ri', { ...values, i: 'registered w1 until Infinity' });
    m.flush();
    expect(registry.asked).toEqual(['put 1', 'withdraw']);
  });

  marble('once it was in, refused credentials are no reason to give up', (m) => {
    const put = [m.cold('-(p|)'), m.cold('#', undefined, refused), m.cold('-(p|)')];
    const renew = [m.cold('#', undefined, unknown), m.cold('-')];
    const registry = scriptedRegistry({ put, renew, withdraw: [m.cold('|')] });
    m.expectObservable(told(m, registry, { backoff: { initialBackoffMs: 5 } }), '^---------!').toBe('ra-(lrx)-y', {
      ...{ ...values, x: 'registering w1: script refused the password', y: 'registered w1 until 17' },
    });
  });
});

describe('register: updates', () => {
  marble('a changed node takes the place of the old one, and the heartbeats go on', (m) => {
    const node$ = m.hot('a-b', nodes);
    const update = m.cold('-|');
    const registry = scriptedRegistry({
      ...{ put: [m.cold('-(p|)')], renew: [m.cold('-(t|)')], update: [update], withdraw: [m.cold('|')] },
    });
    m.expectObservable(told(m, registry, { node$ }), '^-----!').toBe('ra-yz-', {
      ...{ ...values, y: 'registered w2 until 9', z: 'registered w2 until 12' },
    });
    m.expectSubscriptions(update.subscriptions).toBe('--^!');
  });

  marble('changes while an update runs become one more', (m) => {
    const node$ = m.hot('a-bcb', nodes);
    const node3$ = m.hot('a-bbc', nodes);
    const update = () => m.cold('---|');
    const script = () => ({ put: [m.cold('-(p|)')], renew: [m.cold('-')], withdraw: [m.cold('|')] });
    const settledAgain = scriptedRegistry({ ...script(), update: [update()] });
    const oneMore = scriptedRegistry({ ...script(), update: [update()] });
    m.expectObservable(told(m, settledAgain, { node$ }), '^-------!').toBe('ra---y-', {
      ...{ ...values, y: 'registered w2 until 9' },
    });
    m.expectObservable(told(m, oneMore, { node$: node3$ }), '^-------!').toBe('ra---y-', {
      ...{ ...values, y: 'registered w2 until 9' },
    });
    m.flush();
    expect(settledAgain.asked.filter((what) => what.startsWith('update'))).toEqual(['update 2']);
    expect(oneMore.asked.filter((what) => what.startsWith('update'))).toEqual(['update 2', 'update 3']);
  });

  marble('a change while the node is being put in follows right after', (m) => {
    const node$ = m.hot('ab', nodes);
    const registry = scriptedRegistry({
      ...{ put: [m.cold('---(p|)')], renew: [m.cold('-')], update: [m.cold('-|')], withdraw: [m.cold('|')] },
    });
    m.expectObservable(told(m, registry, { node$ }), '^-----!').toBe('r--ay-', {
      ...{ ...values, y: 'registered w2 until 9' },
    });
  });

  marble('an update that fails is tried again; one that finds nothing means that it was lost', (m) => {
    const node$ = m.hot('a-b', nodes);
    const update = [m.cold('#', undefined, down), m.cold('#', undefined, unknown)];
    const registry = scriptedRegistry({
      ...{ put: [m.cold('-(p|)'), m.cold('----(p|)')], renew: [m.cold('-')], update, withdraw: [m.cold('|')] },
    });
    m.expectObservable(told(m, registry, { node$ }), '^--------!').toBe('ra--(ls)z', {
      ...{ ...values, s: 'registering w2', z: 'registered w2 until 13' },
    });
    m.flush();
    expect(registry.asked.slice(0, 5)).toEqual(['put 1', 'update 2', 'renew', 'update 2', 'put 2']);
  });

  marble('the same node again is no update', (m) => {
    const node$ = m.hot('a-a-a', nodes);
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [m.cold('-')], withdraw: [m.cold('|')] });
    m.expectObservable(told(m, registry, { node$ }), '^-----!').toBe('ra', values);
  });

  marble('a senseless node is an error, and what was registered is taken out', (m) => {
    const node$ = m.hot('a-x', { ...nodes, x: { service: 'demo' } });
    const withdraw = m.cold('|');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], withdraw: [withdraw] });
    const error = new FleetError('INVALID_OPTION', 'node "?" has no address');
    m.expectObservable(told(m, registry, { node$ })).toBe('ra#', values, error);
    m.expectSubscriptions(withdraw.subscriptions).toBe('--(^!)');
  });

  marble('a source of nodes that never speaks registers nothing, an empty one completes, a failed one fails', (m) => {
    const registry = scriptedRegistry({ put: [] });
    m.expectObservable(told(m, registry, { node$: m.cold('-') }), '^--!').toBe('-');
    m.expectObservable(told(m, registry, { node$: m.cold('-|') })).toBe('-|');
    m.expectObservable(told(m, registry, { node$: m.cold('-#', undefined, down) })).toBe('-#', undefined, down);
    expect(registry.asked).toEqual([]);
  });

  marble('a source of nodes that completes leaves the last one in', (m) => {
    const registry = scriptedRegistry({
      ...{ put: [m.cold('-(p|)')], renew: [m.cold('-(t|)')], withdraw: [m.cold('|')] },
    });
    m.expectObservable(told(m, registry, { node$: m.cold('(a|)', nodes) }), '^----!').toBe('ra--b', values);
  });
});

describe('register: the way out', () => {
  const events = (log: string[]): RegisterOptions => ({ onEvent: ({ type }) => log.push(type) });

  marble('leaving while it is being put in waits for the answer and takes it out: no ghost remains', (m) => {
    const put = m.cold('     ---(p|)');
    const withdraw = m.cold('-|');
    const registry = scriptedRegistry({ put: [put], withdraw: [withdraw] });
    m.expectObservable(told(m, registry), '^!').toBe('r', values);
    m.expectSubscriptions(put.subscriptions).toBe('^--!');
    m.expectSubscriptions(withdraw.subscriptions).toBe('---^!');
  });

  marble('leaving at the first word puts nothing in', (m) => {
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')] });
    m.expectObservable(
      told(m, registry).pipe(
        map((_, i) => i),
        take(1),
      ),
    ).toBe('(0|)', { 0: 0 });
    m.flush();
    expect(registry.asked).toEqual([]);
  });

  marble('a put that is never answered is given up after half of the limit', (m) => {
    const put = m.cold('-');
    m.expectObservable(told(m, scriptedRegistry({ put: [put] }), { withdrawTimeoutMs: 8 }), '^!').toBe('r', values);
    m.expectSubscriptions(put.subscriptions).toBe('^----!');
  });

  marble('it is taken out only after an unanswered heartbeat, which could put it in again', (m) => {
    const renew = m.cold('   --(t|)');
    const withdraw = m.cold('|');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [renew], withdraw: [withdraw] });
    m.expectObservable(told(m, registry), '^---!').toBe('        ra--', values);
    m.expectSubscriptions(renew.subscriptions).toBe('           ---^-!');
    m.expectSubscriptions(withdraw.subscriptions).toBe('        -----(^!)');
  });

  marble('it is taken out only after an unanswered update', (m) => {
    const node$ = m.hot('a-b', nodes);
    const update = m.cold('  ----|');
    const withdraw = m.cold('|');
    const registry = scriptedRegistry({
      put: [m.cold('-(p|)')],
      renew: [m.cold('-')],
      update: [update],
      withdraw: [withdraw],
    });
    m.expectObservable(told(m, registry, { node$ }), '^--!').toBe('ra', values);
    m.expectSubscriptions(update.subscriptions).toBe('  --^---!');
    m.expectSubscriptions(withdraw.subscriptions).toBe('------(^!)');
  });

  marble('a withdrawal that fails is tried again', (m) => {
    const failing = m.cold('-#', undefined, down);
    const good = m.cold('   -|');
    const log: string[] = [];
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], withdraw: [failing, good] });
    m.expectObservable(told(m, registry, events(log)), '^-!').toBe('ra', values);
    m.expectSubscriptions(failing.subscriptions).toBe('--^!');
    m.expectSubscriptions(good.subscriptions).toBe('   -----^!');
    m.flush();
    expect(log).toEqual(['withdrawn']);
  });

  marble('a withdrawal that does not end is abandoned at the limit, and said to be', (m) => {
    const withdraw = m.cold('-');
    const log: string[] = [];
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], withdraw: [withdraw] });
    m.expectObservable(told(m, registry, { ...events(log), withdrawTimeoutMs: 4 }), '^-!').toBe('ra', values);
    m.expectSubscriptions(withdraw.subscriptions).toBe('--^---!');
    m.flush();
    expect(log).toEqual(['abandoned']);
  });

  marble('what was lost and cannot be put in again is taken out all the same', (m) => {
    const put = [m.cold('-(p|)'), m.cold('#', undefined, down)];
    const withdraw = m.cold('|');
    const registry = scriptedRegistry({ put, renew: [m.cold('-')], withdraw: [withdraw] });
    m.expectObservable(told(m, registry, { backoff: { initialBackoffMs: 50 } }), '^-------------!').toBe(
      'ra-------(urf)',
      values,
    );
    m.expectSubscriptions(withdraw.subscriptions).toBe('--------------(^!)');
  });

  marble('taken out by withdraw$, the end is seen', (m) => {
    const withdraw = m.cold('--|');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [m.cold('-(t|)')], withdraw: [withdraw] });
    const withdraw$ = m.cold('-----x');
    m.expectObservable(told(m, registry, { withdraw$ })).toBe('ra--bw-|', values);
    m.expectSubscriptions(withdraw.subscriptions).toBe('-----^-!');
  });

  marble('leaving while it is withdrawn does not withdraw twice, nor stop it', (m) => {
    const withdraw = m.cold('----|');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], withdraw: [withdraw] });
    m.expectObservable(told(m, registry, { withdraw$: m.cold('--x') }), '^---!').toBe('raw', values);
    m.expectSubscriptions(withdraw.subscriptions).toBe('--^---!');
  });

  marble('each subscription is a registration of its own', (m) => {
    const put = m.cold('-(p|)');
    const withdraw = m.cold('|');
    const registration$ = told(m, scriptedRegistry({ put: [put], withdraw: [withdraw] }));
    m.expectObservable(registration$, '^-!').toBe('ra', values);
    m.expectObservable(registration$, '^--!').toBe('ra', values);
    m.expectSubscriptions(put.subscriptions).toBe(['^!', '^!']);
    m.expectSubscriptions(withdraw.subscriptions).toBe(['--(^!)', '---(^!)']);
  });
});

describe('register: time', () => {
  /** The clock of the machine leaps by `ms` at `at`; timers do not mind. */
  const leaping = (m: MarbleHelpers, at: number, ms: number): SchedulerLike => {
    let leapt = 0;
    m.scheduler.schedule(() => (leapt = ms), at);
    return {
      now: () => m.scheduler.now() + leapt,
      schedule: ((...args: Parameters<SchedulerLike['schedule']>) =>
        m.scheduler.schedule(...args)) as SchedulerLike['schedule'],
    };
  };

  marble('a heartbeat sent late is noticed and told', (m) => {
    const log: string[] = [];
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [m.cold('-(t|)')], withdraw: [m.cold('|')] });
    // Two milliseconds are missing at the first heartbeat: sent at 5 instead of 3.
    const options = { scheduler: leaping(m, 2, 2), onEvent: ({ message }: { message: string }) => log.push(message) };
    m.expectObservable(told(m, registry, options), '^----!').toBe('ra--x', {
      ...{ ...values, x: 'registered w1 until 14 late 2' },
    });
    m.flush();
    expect(log[0]).toBe(
      'node 10.0.0.1:1 in script heartbeat sent 2 ms late: the event loop was held up, or the clock was set',
    );
  });

  marble('a process that stood still past the life of its registration says that it is lost', (m) => {
    const registry = scriptedRegistry({
      ...{ put: [m.cold('-(p|)'), m.cold('-')], renew: [m.cold('-(t|)')], withdraw: [m.cold('|')] },
    });
    const reason = 'this process was held up for 20 ms, or the clock was set';
    m.expectObservable(told(m, registry, { scheduler: leaping(m, 2, 20) }), '^---!').toBe('ra-(xr)', {
      ...{ ...values, x: `${values.u}: ${reason}` },
    });
  });

  marble('a clock that is set back stops no heartbeat, and keeps no lost registration alive', (m) => {
    const renew = [m.cold('-(t|)'), m.cold('-')];
    const registry = scriptedRegistry({ put: [m.cold('-(p|)'), m.cold('-')], renew, withdraw: [m.cold('|')] });
    // An hour back at 2. The heartbeat at 3 is sent on time and answered; the deadline of 12 is an hour earlier by the
    // clock, and comes when twelve milliseconds have passed, not an hour later.
    m.expectObservable(told(m, registry, { scheduler: leaping(m, 2, -3_600_000) }), '^------------!').toBe(
      'ra--x-------(ur)',
      { ...values, x: `registered w1 until ${12 - 3_600_000}` },
    );
  });
});

describe('register: a listener that throws', () => {
  marble('ends the registration with its error, and the node is taken out', (m) => {
    const boom = new Error('boom');
    const withdraw = m.cold('|');
    const registry = scriptedRegistry({
      ...{ put: [m.cold('-(p|)')], renew: [m.cold('-#', undefined, down)], withdraw: [withdraw] },
    });
    const onEvent = ({ type }: { readonly type: string }) => {
      if (type === 'failed') throw boom;
    };
    const error = new FleetError('UNKNOWN', 'boom', { cause: boom });
    m.expectObservable(told(m, registry, { onEvent })).toBe('ra--#', values, error);
    m.expectSubscriptions(withdraw.subscriptions).toBe('----(^!)');
  });
});
