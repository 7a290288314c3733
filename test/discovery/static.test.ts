import { lastValueFrom, of, Subject, take } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { staticNodes, type StaticNode } from '../../src/discovery/staticNodes.js';

const listed = (...args: Parameters<typeof staticNodes>) => {
  let set: NodeSet | undefined;
  const events: DiscoveryEvent[] = [];
  const subscription = staticNodes(...args)({ service: 'lumen', onEvent: (event) => events.push(event) }).subscribe(
    (next) => (set = next),
  );
  subscription.unsubscribe();
  return { set: set!, events };
};
const refusal = (list: unknown): FleetError => {
  try {
    staticNodes(list as StaticNode[]);
  } catch (error) {
    return error as FleetError;
  }
  throw new Error('it was accepted');
};

describe('staticNodes', () => {
  it('takes text and objects, and fills in what they leave out', () => {
    const { set } = listed([
      '10.0.0.5:50051',
      { address: 'db-1:5432', weight: 3, tags: { gpu: '' }, zone: 'eu-1' },
      { id: 'six', name: 'Six', addresses: ['[::1]:6', '127.0.0.1:6'] },
    ]);
    expect(set.nodes.map(({ id, name, address, weight }) => ({ id, name, address, weight }))).toEqual([
      { id: '10.0.0.5:50051', name: '10.0.0.5:50051', address: { host: '10.0.0.5', port: 50051 }, weight: 1 },
      { id: 'db-1:5432', name: 'db-1:5432', address: { host: 'db-1', port: 5432 }, weight: 3 },
      { id: 'six', name: 'Six', address: { host: '::1', port: 6 }, weight: 1 },
    ]);
    expect(set.nodes[1]).toMatchObject({ tags: { gpu: '' }, zone: 'eu-1', service: 'lumen', sources: ['static'] });
    expect(set.nodes[2]!.addresses).toHaveLength(2);
    expect(set.nodes[0]!.firstSeen).toBeGreaterThan(0);
  });

  it.each([
    ['nonsense', /entry 2, "nonsense"/],
    [{ address: 'db-1:99999' }, /entry 2, .*db-1:99999/],
    [{ name: 'nowhere' }, /entry 2, .*nowhere.* has no address/],
    [{ address: 'a:1', weight: -1 }, /entry 2, .*weight/],
    [null, /entry 2, null/],
    [42, /entry 2, 42/],
    [{ address: {} }, /entry 2/],
    ['10.0.0.1:1', /entry 2, "10.0.0.1:1": id "10.0.0.1:1" is that of entry 1 already/],
  ])('refuses the bad entry %j at construction, by name', (entry, message) => {
    const error = refusal(['10.0.0.1:1', entry]);
    expect(error).toBeInstanceOf(FleetError);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toMatch(message);
  });

  it('refuses what is no list', () => {
    expect(refusal('10.0.0.1:1').code).toBe('INVALID_OPTION');
  });

  it('skips bad entries and repeated ids when told so, and says which', () => {
    const { set, events } = listed(['a:1', 'nonsense', 'a:1', 'b:2'], { invalid: 'skip' });
    expect(set.nodes.map(({ id }) => id)).toEqual(['a:1', 'b:2']);
    expect(events.map(({ type, source }) => `${source} ${type}`)).toEqual(['static skipped', 'static skipped']);
    expect(events[0]!.message).toMatch(/entry 2, "nonsense"/);
  });

  it('ends the discovery for a bad entry of a changing list only when told so', async () => {
    const strict = staticNodes(of(['nonsense']), { invalid: 'throw' })({ service: 's' });
    await expect(lastValueFrom(strict)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    const set = await lastValueFrom(staticNodes(of(['nonsense', 'a:1']))({ service: 's' }).pipe(take(1)));
    expect(set.size).toBe(1);
  });

  it('leaves out entries that name another service or namespace', () => {
    let set: NodeSet | undefined;
    staticNodes([
      'a:1',
      { address: 'b:2', service: 'other' },
      { address: 'c:3', namespace: 'test' },
      { address: 'd:4', namespace: 'prod' },
    ])({ service: 'lumen', namespace: 'prod' }).subscribe((next) => (set = next));
    expect(set!.nodes.map(({ id }) => id)).toEqual(['a:1', 'd:4']);
  });

  it('keeps the objects of entries that say the same, however they were written', () => {
    const list$ = new Subject<StaticNode[]>();
    const sets: NodeSet[] = [];
    staticNodes(list$)({ service: 's' }).subscribe((set) => sets.push(set));
    list$.next([{ id: 'a', address: 'a:1', tags: { x: '1', y: '2' } }, 'b:2', 'c:3', 'd:4']);
    list$.next([
      'd:4',
      'c:3',
      { address: 'b:2', weight: 2 },
      { id: 'a', addresses: ['a:1'], tags: { y: '2', x: '1' } },
    ]);
    expect(sets).toHaveLength(2);
    expect(sets[1]!.get('a')).toBe(sets[0]!.get('a'));
    expect(sets[1]!.get('b:2')!.weight).toBe(2);
    expect(sets[1]!.get('b:2')!.stats).toBe(sets[0]!.get('b:2')!.stats);
    expect(sets[1]!.changesSince(sets[0]!).updated.map(({ id }) => id)).toEqual(['b:2']);
  });

  it('does not share counters between subscribers', () => {
    const discovery = staticNodes(['a:1']);
    const sets: NodeSet[] = [];
    discovery({ service: 's' }).subscribe((set) => sets.push(set));
    discovery({ service: 's' }).subscribe((set) => sets.push(set));
    expect(sets[0]!.nodes[0]!.stats).not.toBe(sets[1]!.nodes[0]!.stats);
  });

  it('is not changed by what becomes of the array that it was given', () => {
    const list = ['a:1'];
    const discovery = staticNodes(list);
    list.push('nonsense');
    discovery({ service: 's' }).subscribe((set) => expect(set.size).toBe(1));
  });
});
