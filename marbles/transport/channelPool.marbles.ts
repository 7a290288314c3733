/**
 * Which connections a pool holds. In `opened` the first connection opens as A and closes as a, the second as B and b;
 * dialling takes two frames, unless said otherwise.
 */

import { deepStrictEqual, equal, ok } from 'node:assert/strict';
import { BehaviorSubject, map, Subject, timer } from 'rxjs';
import type { Connection, ConnectivityState } from '../../src/core/channel.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { channelPool, type ChannelPoolOptions, type ConnectionLease } from '../../src/transport/channelPool.js';

const n = createNode({ id: 'n', address: 'n:1' });
const m = createNode({ id: 'm', address: 'm:1' });
const moved = createNode({ id: 'n', address: 'n:2' });
const wide = createNode({ id: 'n', addresses: ['n:1', 'n:2'] });
const shuffled = createNode({ id: 'n', addresses: ['n:2', 'n:1'] });
const sets = {
  n: NodeSet.of([n]),
  m: NodeSet.of([m]),
  b: NodeSet.of([n, m]),
  o: NodeSet.of([moved]),
  z: NodeSet.of([]),
};
const letters = { discovered: 'd', connecting: 'c', ready: 'r', unavailable: 'u', draining: 'x' } as const;

class FakeConnection implements Connection {
  readonly state$ = new BehaviorSubject<ConnectivityState>('IDLE');
  lastError: string | undefined;
  constructor(
    private readonly rig: { dials: boolean; dialMs: number },
    readonly name: string,
    private readonly closed: () => void,
  ) {}
  get state() {
    return this.state$.value;
  }
  connect(): void {
    if (this.state !== 'IDLE') return;
    this.state$.next('CONNECTING');
    timer(this.rig.dialMs).subscribe(() => {
      if (this.state !== 'CONNECTING') return;
      if (!this.rig.dials) this.lastError = 'nobody there';
      this.state$.next(this.rig.dials ? 'READY' : 'TRANSIENT_FAILURE');
    });
  }
  lose(): void {
    this.state$.next('IDLE');
  }
  close(): void {
    if (this.state === 'SHUTDOWN') return;
    this.state$.next('SHUTDOWN');
    this.state$.complete();
    this.closed();
  }
}

/** A pool over fakes, what opens and closes in it, and hands to drive it. */
function rig({ scheduler, hot, expectObservable }: MarbleHelpers, options: ChannelPoolOptions = {}, lastsMs = 40) {
  const opened$ = new Subject<string>();
  const connections: FakeConnection[] = [];
  const behaviour = { dials: true, dialMs: 2, throws: false };
  const pool = channelPool<FakeConnection>({
    idleMs: 1_000,
    lifetimeMs: 1_000,
    drainMs: 10,
    random: () => 0.5,
    scheduler,
    ...options,
    open: () => {
      if (behaviour.throws) throw new FleetError('INVALID_OPTION', 'cannot be opened');
      const name = String.fromCharCode(65 + connections.length);
      const connection = new FakeConnection(behaviour, name, () => opened$.next(name.toLowerCase()));
      connections.push(connection);
      opened$.next(name);
      return connection;
    },
  });
  // A pool renews its connections for ever: so each case ends it, after what it looks at.
  const watched = `^ ${lastsMs - 2}ms !`;
  scheduler.schedule(() => pool.close(), lastsMs);
  const leases: ConnectionLease<FakeConnection>[] = [];
  const drive = (diagram: string, act: (letter: string) => void) => hot(diagram).subscribe(act);
  return {
    pool,
    connections,
    behaviour,
    leases,
    drive,
    follow: (diagram: string, named: Readonly<Record<string, NodeSet>> = sets) =>
      drive(diagram, (letter) => pool.follow(named[letter]!)),
    /** `n` and `m` start a call on that node; `e` ends the oldest one. */
    calls: (diagram: string) =>
      drive(diagram, (letter) => {
        if (letter === 'e') return leases.shift()!.release();
        leases.push(pool.acquire(letter === 'm' ? m : n)!);
      }),
    expectOpened: (diagram: string) => expectObservable(opened$, watched).toBe(diagram),
    expectStates: (diagram: string) =>
      expectObservable(pool.states$.pipe(map(({ availability }) => letters[availability])), watched).toBe(diagram),
  };
}

describe('channelPool', () => {
  marble('an eager pool dials a node as soon as it is known, once', (helpers) => {
    const { follow, expectOpened, expectStates } = rig(helpers);
    follow('      -n---n---|');
    expectOpened('-A---');
    expectStates('-c-r-');
  });

  marble('a lazy pool dials a node with its first call, and keeps the connection for the next', (helpers) => {
    const { follow, calls, expectOpened, expectStates } = rig(helpers, { eager: false });
    follow('      -n------|');
    calls('       ---n-en-|');
    expectOpened('---A--');
    expectStates('---c-r');
  });

  marble('never and empty sets open nothing', (helpers) => {
    const { follow, expectOpened, expectStates } = rig(helpers);
    follow('      -z--|');
    expectOpened('----');
    expectStates('----');
  });

  marble('of many nodes only those within reach are dialled, and a call still opens any other', (helpers) => {
    const { calls, expectOpened, drive, pool } = rig(helpers);
    drive('       -n------|', () => pool.follow(sets.b, sets.n));
    calls('       ----m-n-|');
    expectOpened('-A--B---');
  });

  marble(
    'a node that comes within reach is dialled, and one that leaves it is given up though it is still known',
    (helpers) => {
      const { expectOpened, drive, pool } = rig(helpers);
      const { expectObservable } = helpers;
      drive('       -n---m---n|', (letter) => pool.follow(sets.b, sets[letter as 'n' | 'm']));
      expectOpened('-A---(aB)(bC)');
      const states = (id: string) => pool.state$(id).pipe(map(({ availability }) => letters[availability]));
      expectObservable(states('n'), '^-----------!').toBe('-c-r-d---c-r');
      expectObservable(states('m'), '^-----------!').toBe('-----c-r-d--');
    },
  );

  marble('a node beyond reach that was opened by a call is not dialled again when it breaks', (helpers) => {
    const { calls, drive, pool, connections, expectStates } = rig(helpers);
    drive('       n----------|', () => pool.follow(sets.n, sets.z));
    calls('       -n--e------|');
    drive('       ------x----|', () => connections[0]!.lose());
    expectStates('-c-r--d----');
  });

  marble('each node has its own connection', (helpers) => {
    const { follow, expectOpened, pool, drive } = rig(helpers);
    follow('      -b------|');
    expectOpened('-(AB)');
    drive('       ------x', () => equal(pool.size, 2));
  });

  marble('a node that is gone takes no new calls; its connection ends with its last call', (helpers) => {
    const { follow, calls, expectOpened, pool, drive } = rig(helpers);
    follow('      -n----z-----|');
    calls('       ----n---e---|');
    expectOpened('-A------a');
    drive('       -------x', () => {
      equal(pool.acquire(n), undefined);
      equal(pool.get('n'), undefined);
    });
  });

  marble('a node that is gone without calls is closed at once', (helpers) => {
    const { follow, expectOpened } = rig(helpers);
    follow('      -n----z-----|');
    expectOpened('-A----a');
  });

  marble('a call that does not end is cut off after the drain deadline', (helpers) => {
    const { follow, calls, expectOpened } = rig(helpers);
    follow('      -n----z-----------|');
    calls('       ----n-------------|');
    expectOpened('-A--------------a');
  });

  marble('a connection without calls is closed after the idle limit, and opened again by the next call', (helpers) => {
    const { follow, calls, expectOpened, expectStates } = rig(helpers, { idleMs: 6 });
    follow('      -n--------------|');
    calls('       ----------n-----|');
    expectOpened('-A-----a--B');
    expectStates('-c-r---d--c-r');
  });

  marble('a call in flight keeps its connection from idling, and the limit runs from its end', (helpers) => {
    const { follow, calls, expectOpened } = rig(helpers, { idleMs: 6 });
    follow('      -n----------------------|');
    calls('       ----n-------e----------|');
    expectOpened('-A----------------a');
  });

  marble('past its lifetime a connection is replaced: the new one is up before the old one goes', (helpers) => {
    const { follow, calls, expectOpened, expectStates, pool, drive } = rig(helpers, { lifetimeMs: 10 }, 21);
    follow('      -n------------------|');
    calls('       ----n----------e----|');
    expectOpened('-A---------B---a----');
    expectStates('-c-r---------(dr)-'); // so that health checks go over to the new one
    drive('       ------------x', () => equal(pool.get('n')!.name, 'A'));
    drive('       --------------x', () => equal(pool.get('n')!.name, 'B'));
  });

  marble('while the replacement cannot connect the old connection goes on', (helpers) => {
    const { follow, calls, expectOpened, expectStates, behaviour, drive } = rig(helpers, { lifetimeMs: 10 }, 21);
    follow('      -n------------------|');
    calls('       ----n---------------|');
    drive('       ----x', () => (behaviour.dials = false));
    expectOpened('-A---------B--------');
    expectStates('-c-r----------------');
  });

  marble('when the old connection is lost meanwhile, the replacement takes over at once', (helpers) => {
    const { follow, expectOpened, expectStates, behaviour, connections, drive } = rig(helpers, { lifetimeMs: 10 }, 21);
    follow('      -n------------------|');
    drive('       ----x', () => (behaviour.dialMs = 6));
    drive('       -------------x', () => connections[0]!.lose());
    expectOpened('-A---------B-a------');
    expectStates('-c-r---------c---r--');
  });

  marble('a node at another address gets a new connection before the old one goes', (helpers) => {
    const { follow, expectOpened, expectStates } = rig(helpers);
    follow('      -n----o-----|');
    expectOpened('-A----B-a');
    expectStates('-c-r----(dr)');
  });

  marble('the same addresses in another order are no reason to reconnect', (helpers) => {
    const { follow, expectOpened } = rig(helpers);
    follow('      -w----s-----|', { w: NodeSet.of([wide]), s: NodeSet.of([shuffled]) });
    expectOpened('-A----------');
  });

  marble('a lost connection is dialled again without being asked', (helpers) => {
    const { follow, expectStates, expectOpened, connections, behaviour, drive } = rig(helpers);
    behaviour.dialMs = 4;
    follow('      -n----------|');
    drive('       -------x', () => connections[0]!.lose());
    expectOpened('-A----------');
    expectStates('-c---r-c---r');
  });

  marble('a connection that breaks as soon as it is up is dialled ever more slowly', (helpers) => {
    const { follow, expectStates, connections, drive } = rig(helpers, { idleMs: 9_000, lifetimeMs: 9_000 }, 4_000);
    follow('      -n');
    drive('       -----x----x 1004ms x', () => connections[0]!.lose());
    expectStates('-c-r-c-r--u 999ms c-r--u 1599ms c-r');
  });

  marble('a lazy pool leaves a lost connection alone until the next call', (helpers) => {
    const { follow, calls, expectStates, connections, drive } = rig(helpers, { eager: false });
    follow('      -n----------|');
    calls('       --n---------|');
    drive('       ------x', () => connections[0]!.lose());
    expectStates('--c-r-d');
  });

  marble('a node that cannot be reached is unavailable, and says why', (helpers) => {
    const { follow, expectStates, behaviour, pool, drive } = rig(helpers);
    behaviour.dials = false;
    follow('      -n----------|');
    expectStates('-c-u--------');
    const reasons: (string | undefined)[] = [];
    drive('       ----x', () =>
      pool
        .state$('n')
        .subscribe(({ reason }) => reasons.push(reason))
        .unsubscribe(),
    );
    drive('       -----x', () => deepStrictEqual(reasons, ['nobody there']));
  });

  marble('a node that cannot even be opened is unavailable, and tried again', (helpers) => {
    const { follow, expectOpened, expectStates, behaviour, drive } = rig(helpers, {}, 1_500);
    behaviour.throws = true;
    follow('      -n------------|');
    drive('       ---x', () => (behaviour.throws = false));
    expectOpened('- 1000ms A');
    expectStates('-u 999ms c-r');
  });

  marble('at the limit of connections the one that was idle longest gives way', (helpers) => {
    const { follow, calls, expectOpened } = rig(helpers, { eager: false, maxConnections: 1 });
    follow('      -b----------|');
    calls('       --n-e-m-----|');
    expectOpened('--A---(aB)');
  });

  marble('at the limit of connections, all of them busy, a call is refused and says so', (helpers) => {
    const { follow, calls, pool, drive } = rig(helpers, { maxConnections: 1 });
    follow('      -b----------|');
    calls('       --n---------|');
    drive('       ----x', () => {
      let code: string | undefined;
      try {
        pool.acquire(m);
      } catch (error) {
        code = (error as FleetError).code;
      }
      equal(code, 'RESOURCE_EXHAUSTED');
    });
  });

  marble('close() closes all, those that drain too, and completes the states', (helpers) => {
    const { follow, calls, expectOpened, pool, drive } = rig(helpers);
    follow('      -n-----m----|');
    calls('       ----n-------|');
    drive('       ----------x', () => {
      pool.close();
      pool.close();
      equal(pool.size, 0);
    });
    expectOpened('-A-----B--(ab)');
    const states = (id: string) => pool.state$(id).pipe(map(({ availability }) => letters[availability]));
    helpers.expectObservable(states('n')).toBe('-c-r---d--|');
    helpers.expectObservable(states('m')).toBe('-------c-r|');
  });

  marble('a connection that fails to close keeps neither its node nor the others', (helpers) => {
    const { follow, expectOpened, connections, pool, drive } = rig(helpers);
    follow('      -b------m---|');
    drive('       ----x', () => {
      connections[0]!.close = () => {
        throw new Error('cannot close');
      };
    });
    drive('       ----------x', () => {
      equal(pool.size, 1);
      pool.close();
    });
    expectOpened('-(AB)-----b');
  });

  marble('who watches the states late is told the present ones first, and may leave early', (helpers) => {
    const { follow, pool } = rig(helpers);
    follow('                                -n-----m----|');
    const states$ = pool.states$.pipe(map(({ availability }) => letters[availability]));
    helpers.expectObservable(states$, '-----^--!').toBe('-----r-(dc)');
  });

  marble('a set that changes while it is followed is followed to the end', (helpers) => {
    const { pool, expectOpened, drive } = rig(helpers);
    const seen: Node[] = [];
    drive('       -x----------|', () => {
      // As a fleet does: what becomes of a connection is written into the next set.
      pool.states$.subscribe(({ id }) => {
        if (id === 'n' && seen.push(n) === 1) pool.follow(sets.m);
      });
      pool.follow(sets.n);
      ok(pool.get('m') && !pool.get('n'));
    });
    expectOpened('-(AaB)');
  });
});
