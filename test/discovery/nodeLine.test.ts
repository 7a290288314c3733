import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { NodeLine } from '../../src/discovery/nodeLine.js';

const node = (id: string, weight = 1) => createNode({ id, address: `${id}.example:1`, weight });

describe('NodeLine', () => {
  it('a change of source leaves an unchanged node its object, and a changed one its counters', () => {
    const line = new NodeLine();
    const first = line.next('a', NodeSet.of([node('x'), node('y')]));
    first.get('y')!.stats.begin();
    const second = line.next('b', NodeSet.of([node('x'), node('y', 2), node('z')]));
    expect(second.get('x')).toBe(first.get('x'));
    expect(second.get('y')).toMatchObject({ weight: 2 });
    expect(second.get('y')!.stats).toBe(first.get('y')!.stats);
    expect(second.has('z')).toBe(true);
  });

  it('goes on with these objects while the new source changes others', () => {
    const line = new NodeLine();
    const first = line.next('a', NodeSet.of([node('x'), node('y'), node('v'), node('w')]));
    const source = NodeSet.of([node('x'), node('y'), node('v'), node('w')]);
    expect(line.next('b', source)).toBe(first);
    const changed = source.with(node('y', 2));
    const third = line.next('b', changed);
    expect(third.get('x')).toBe(first.get('x'));
    expect(third.changesSince(first).updated.map(({ id }) => id)).toEqual(['y']);
    expect(third.get('y')!.stats).toBe(first.get('y')!.stats);
    expect(line.next('b', changed.with(node('y', 2)))).toBe(third);
  });

  it('stale is said once, and ends with the next word of the source', () => {
    const line = new NodeLine();
    const set = NodeSet.of([node('x')]);
    expect(line.stale('too early', 1)).toBeUndefined();
    const first = line.next('a', set);
    const stale = line.stale('cut off', 1)!;
    expect(stale.stale).toEqual({ since: 1, reason: 'cut off' });
    expect(line.stale('cut off again', 2)).toBe(stale);
    const fresh = line.next('a', set);
    expect(fresh.stale).toBeUndefined();
    expect(fresh.get('x')).toBe(first.get('x'));
  });
});
