import { BehaviorSubject, Observable, ReplaySubject, take } from 'rxjs';
import type { Channel } from '../../src/core/channel.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { HealthCheckResponse_ServingStatus as Status } from '../../src/gen/grpc/health_pb.js';
import { activeHealth } from '../../src/health/activeHealth.js';
import { grpcHealth } from '../../src/health/grpcHealth.js';
import { healthOf, type HealthChange } from '../../src/health/healthOf.js';
import { closeAll, follow, HealthServer, targetAt, until } from './healthServer.js';

afterEach(closeAll);

describe('healthOf with real servers', () => {
  it('follows each node of a set by its own check, and ends them all when unsubscribed', async () => {
    const [a, b] = await Promise.all([new HealthServer(['watch']).start(), new HealthServer(['watch']).start()]);
    const targets = new Map([a, b].map((server, i) => ['ab'[i]!, targetAt(server.port)]));
    const node = (id: string) => createNode({ ...targets.get(id)!.node, id });
    const set$ = new ReplaySubject<NodeSet>(1);
    set$.next(NodeSet.of([node('a'), node('b')]));
    const changes = follow<HealthChange>(
      healthOf(set$, ({ id }) => targets.get(id), activeHealth(grpcHealth(), { initialJitterMs: 0 })),
    );
    await changes.first(({ id, health }) => id === 'a' && health === 'serving');
    await changes.first(({ id, health }) => id === 'b' && health === 'serving');
    b.status = Status.NOT_SERVING;
    const out = await changes.first(({ id, health }) => id === 'b' && health === 'notServing');
    expect(out.reason).toContain('NOT_SERVING');
    changes.subscription.unsubscribe();
    await until(() => a.watchers + b.watchers === 0);
  });

  it('keeps its books while what it tells changes the very set that it follows', () => {
    const set$ = new BehaviorSubject(
      NodeSet.of(['a', 'b', 'c'].map((id) => createNode({ id, address: `${id}:1`, availability: 'ready' }))),
    );
    const running = new Set<string>();
    const told: string[] = [];
    const subscription = healthOf(
      set$,
      (node) => ({ node, channel: {} as Channel }),
      ({ node }) =>
        new Observable((subscriber) => {
          running.add(node.id);
          subscriber.next({ health: 'serving', reason: undefined });
          return () => running.delete(node.id);
        }),
    ).subscribe(({ id, health, reason }) => {
      told.push(`${id} ${health}`);
      const set = set$.value;
      if (set.has(id)) set$.next(set.with(updateNode(set.get(id)!, { health, healthReason: reason })));
      // Taken away while the set in which it was ready is still being gone through.
      if (id === 'a' && health === 'serving') set$.next(set$.value.without('b'));
    });
    expect([...running]).toEqual(['a', 'c']);
    set$.next(set$.value.with(updateNode(set$.value.get('c')!, { availability: 'draining' })));
    expect([...running]).toEqual(['a']);
    expect(told).toEqual(['a serving', 'b serving', 'c serving', 'c unknown']);
    expect(set$.value.nodes.map(({ health }) => health)).toEqual(['serving', 'unknown']);
    subscription.unsubscribe();
    expect(running.size).toBe(0);
  });

  it('leaves nothing running when it is left within its first word', () => {
    const running = new Set<string>();
    const set$ = new BehaviorSubject(
      NodeSet.of(['a', 'b'].map((id) => createNode({ id, address: `${id}:1`, availability: 'ready' }))),
    );
    healthOf(
      set$,
      (node) => ({ node, channel: {} as Channel }),
      ({ node }) =>
        new Observable((subscriber) => {
          running.add(node.id);
          subscriber.next({ health: 'serving', reason: undefined });
          return () => running.delete(node.id);
        }),
    )
      .pipe(take(1))
      .subscribe();
    expect(running.size).toBe(0);
    expect(set$.observed).toBe(false);
  });
});
