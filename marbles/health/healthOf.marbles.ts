import { map } from 'rxjs';
import type { Channel } from '../../src/core/channel.js';
import { createNode, type Availability, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { HealthTarget, NodeHealth } from '../../src/health/healthCheck.js';
import { healthOf } from '../../src/health/healthOf.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const node = (id: string, availability: Availability, port = 1): Node =>
  createNode({ id, address: `${id}:${port}`, availability });
const set = (...nodes: Node[]) => NodeSet.of(nodes);
const x = node('x', 'ready');
const y = node('y', 'ready');
const away = node('x', 'unavailable');

const states: Record<string, NodeHealth> = {
  s: { health: 'serving', reason: undefined },
  n: { health: 'notServing', reason: 'bad' },
};

type Checks = Record<string, ReturnType<MarbleHelpers['cold']>>;

/** `xs`: node x became serving. */
const run = ({ cold }: MarbleHelpers, diagram: string, sets: Record<string, NodeSet>, checks: Checks) =>
  healthOf(
    cold(diagram, sets),
    (node): HealthTarget => ({ node, channel: {} as Channel }),
    ({ node }) => checks[node.id] as never,
  ).pipe(map(({ id, health }) => id + { serving: 's', notServing: 'n', unknown: 'u', ejected: 'e' }[health]));

const values = { a: 'xs', b: 'ys', c: 'xu', d: 'xn' };

describe('healthOf', () => {
  marble('checks every ready node and tells of each', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s', states), y: helpers.cold('--s', states) };
    helpers.expectObservable(run(helpers, 'm-----', { m: set(x, y) }, checks), '^-----!').toBe('-ab---', values);
  });

  marble('a node that is no longer ready goes back to unknown, and is asked anew when it returns', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s---n', states) };
    const sets = { m: set(x), n: set(away), o: set(x) };
    helpers.expectObservable(run(helpers, 'm--n--o---', sets, checks), '^---------!').toBe('-a-c---a--', values);
    helpers.expectSubscriptions(checks.x!.subscriptions).toBe(['^--!', '------^---!']);
  });

  marble('a node that is not ready is not asked', (helpers) => {
    const checks: Checks = { x: helpers.cold('s', states) };
    helpers.expectObservable(run(helpers, 'm---', { m: set(away) }, checks), '^---!').toBe('-');
    helpers.expectSubscriptions(checks.x!.subscriptions).toBe([]);
  });

  marble('a node that was removed is left without a word', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s---n', states), y: helpers.cold('-s', states) };
    const sets = { m: set(x), n: set(y) };
    helpers.expectObservable(run(helpers, 'm--n---', sets, checks), '^------!').toBe('-a--b--', values);
    helpers.expectSubscriptions(checks.x!.subscriptions).toBe('^--!');
  });

  marble('a change that does not concern the node does not disturb its check', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s---n', states), y: helpers.cold('-', states) };
    const sets = { m: set(x), n: set(createNode({ ...x, weight: 2 }), y) };
    helpers.expectObservable(run(helpers, 'm--n---', sets, checks), '^------!').toBe('-a---d-', values);
    helpers.expectSubscriptions(checks.x!.subscriptions).toBe('^------!');
  });

  marble('a node that moves is asked at its new address', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s', states) };
    const sets = { m: set(x), n: set(node('x', 'ready', 2)) };
    helpers.expectObservable(run(helpers, 'm--n---', sets, checks), '^------!').toBe('-a-ca--', values);
    helpers.expectSubscriptions(checks.x!.subscriptions).toBe(['^--!', '---^---!']);
  });

  marble('a check that breaks leaves its node as unknown, and the others alone', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s-#', states), y: helpers.cold('-----s', states) };
    helpers.expectObservable(run(helpers, 'm', { m: set(x, y) }, checks), '^------!').toBe('-a-c-b-', values);
  });

  marble('the end of the nodes ends every check', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s---n', states) };
    helpers.expectObservable(run(helpers, 'm--|', { m: set(x) }, checks)).toBe('-a-|', values);
    helpers.expectObservable(run(helpers, 'm--#', { m: set(x) }, checks)).toBe('-a-#', values);
    helpers.expectSubscriptions(checks.x!.subscriptions).toBe(['^--!', '^--!']);
  });

  marble('unsubscribing ends every check', (helpers) => {
    const checks: Checks = { x: helpers.cold('-s---n', states), y: helpers.cold('-', states) };
    helpers.expectObservable(run(helpers, 'm', { m: set(x, y) }, checks), '^--!').toBe('-a', values);
    helpers.expectSubscriptions(checks.x!.subscriptions).toBe('^--!');
    helpers.expectSubscriptions(checks.y!.subscriptions).toBe('^--!');
  });

  marble('no nodes, no checks', (helpers) => {
    helpers.expectObservable(run(helpers, '-', {}, {}), '^--!').toBe('-');
    helpers.expectObservable(run(helpers, 'm', { m: set() }, {}), '^--!').toBe('-');
  });
});
