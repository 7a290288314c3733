import { ready } from '../../src/client/ready.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble } from '../../src/testing/marble.js';

const node = (id: string, init: NodeInit = {}) => createNode({ id, address: `${id}:1`, ...init });
const [none, dialled, one, two] = [
  NodeSet.of([]),
  NodeSet.of([node('x', { availability: 'connecting' })]),
  NodeSet.of([node('x')]),
  NodeSet.of([node('x'), node('y')]),
];
const sets = { n: none, d: dialled, o: one, t: two };

describe('ready', () => {
  marble('waits until a node takes calls, and ends with that', (m) => {
    m.expectObservable(ready(m.cold('n-d--o-t', sets), m.scheduler)).toBe('-----(o|)', sets);
  });

  marble('waits for as many as are asked for', (m) => {
    m.expectObservable(ready(m.cold('n-d--o-t', sets), m.scheduler, { nodes: 2 })).toBe('-------(t|)', sets);
  });

  marble('says what became of each node when none does in time', (m) => {
    const late = new FleetError('NO_NODES', 'no node took calls within 5 ms (x: connecting)', { sent: false });
    m.expectObservable(ready(m.cold('n-d', sets), m.scheduler, { deadlineMs: 5 })).toBe('-----#', {}, late);
    const found = new FleetError(
      'NO_NODES',
      'no node took calls within 5 ms (discovery found none: start a node, or check the network)',
      { sent: false },
    );
    m.expectObservable(ready(m.cold('n', sets), m.scheduler, { deadlineMs: 5 })).toBe('-----#', {}, found);
  });

  marble('errors when the client is closed first, and with what discovery errors', (m) => {
    const closed = new FleetError('CLOSED', 'the client was closed');
    m.expectObservable(ready(m.cold('n--|', sets), m.scheduler)).toBe('---#', {}, closed);
    m.expectObservable(ready(m.cold('n--#', sets, closed), m.scheduler)).toBe('---#', {}, closed);
  });

  marble('waits for ever where that is wanted, and leaves nothing behind', (m) => {
    const source = m.cold('n', sets);
    m.expectObservable(ready(source, m.scheduler, { deadlineMs: Infinity }), '^-----!').toBe('-');
    m.expectSubscriptions(source.subscriptions).toBe('^-----!');
  });

  marble('refuses senseless options, by name', (m) => {
    expect(() => ready(m.cold('-'), m.scheduler, { deadlineMs: 0 })).toThrow('deadlineMs');
    expect(() => ready(m.cold('-'), m.scheduler, { nodes: 0.5 })).toThrow('nodes');
  });
});
