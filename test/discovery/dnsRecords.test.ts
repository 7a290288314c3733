/** The pure parts of `dns()`: names, ids, weights and attributes. */

import fc from 'fast-check';
import { attributesOf } from '../../src/discovery/dns/attributes.js';
import { queryName } from '../../src/discovery/dns/queryName.js';
import { placeOf, srvIds } from '../../src/discovery/dns/srvIds.js';
import { srvWeights } from '../../src/discovery/dns/srvWeights.js';

describe('queryName', () => {
  const srv = { type: 'srv', protocol: 'tcp', domain: 'example.org' } as const;
  it.each([
    ['orders', undefined, srv, '_orders._tcp.example.org'],
    ['orders', 'prod', srv, '_orders._tcp.prod.example.org'],
    ['orders', undefined, { ...srv, domain: 'example.org.' }, '_orders._tcp.example.org'],
    ['_orders._udp', 'prod', srv, '_orders._udp.prod.example.org'],
    ['_o._tcp.other.org.', 'prod', srv, '_o._tcp.other.org'],
    ['_o._tcp.other.org', undefined, { ...srv, domain: undefined }, '_o._tcp.other.org'],
    ['web', 'prod', { ...srv, type: 'a' as const }, 'web.prod.example.org'],
    ['web.other.org.', undefined, { ...srv, type: 'a' as const }, 'web.other.org'],
  ])('asks for %s in %s as %o says: %s', (service, namespace, options, name) => {
    expect(queryName(service, namespace, options)).toBe(name);
  });
});

describe('srvWeights', () => {
  const of = (...pairs: [number, number][]) => srvWeights(pairs.map(([priority, weight]) => ({ priority, weight })));

  it('leaves the weights of the lowest priority as they are', () => expect(of([5, 60], [5, 20])).toEqual([60, 20]));
  it('takes records that all have weight 0 as equal', () => expect(of([0, 0], [0, 0])).toEqual([1, 1]));
  it('gives a record of weight 0 a very small chance beside others', () =>
    expect(of([0, 0], [0, 9])).toEqual([0.1, 9]));
  it('makes something of nothing', () => expect(of()).toEqual([]));

  it('keeps reserves routable, in their own proportions, and their whole group at a thousandth of the one before', () => {
    const record = fc.record({ priority: fc.integer({ min: 0, max: 3 }), weight: fc.integer({ min: 0, max: 65_535 }) });
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 40 }), (records) => {
        const weights = srvWeights(records);
        const sum = (priority: number) =>
          weights.filter((_, i) => records[i]!.priority === priority).reduce((a, b) => a + b, 0);
        const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
        expect(weights.every((weight) => weight > 0 && Number.isFinite(weight))).toBe(true);
        priorities.slice(1).forEach((priority, i) => expect(sum(priority) / sum(priorities[i]!)).toBeCloseTo(0.001, 9));
        records.forEach((a, i) =>
          records.forEach((b, j) => {
            if (a.priority === b.priority && a.weight > b.weight && b.weight > 0)
              expect(weights[i]! > weights[j]!).toBe(true);
          }),
        );
      }),
    );
  });
});

describe('srvIds', () => {
  const at = (target: string, port: number) => ({ target, port });
  const after = (records: readonly { target: string; port: number }[], ids: readonly string[]) =>
    new Map(records.map((record, i) => [placeOf(record), ids[i]!]));

  it('names a node by its target, and by its port too where a target has several', () => {
    expect(srvIds([at('a', 1), at('b', 1), at('b', 2)], new Map())).toEqual(['a', 'b:1', 'b:2']);
  });

  it('keeps the id of the only record of a target that moves to another port', () => {
    expect(srvIds([at('a', 2)], new Map([['a:1', 'a']]))).toEqual(['a']);
  });

  it('keeps each id while others come and go on the same host', () => {
    const before = [at('a', 1)];
    const more = [at('a', 1), at('a', 2)];
    const ids = srvIds(more, after(before, ['a']));
    expect(ids).toEqual(['a', 'a:2']);
    expect(srvIds([at('a', 2)], after(more, ids))).toEqual(['a:2']);
  });

  it('gives no id twice and keeps that of whatever stays, whatever comes and goes', () => {
    const place = fc.record({ target: fc.constantFrom('a', 'b', 'a:1'), port: fc.integer({ min: 1, max: 4 }) });
    const places = fc.uniqueArray(place, { selector: placeOf, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(places, { minLength: 2, maxLength: 8 }), (sets) => {
        let before: ReadonlyMap<string, string> = new Map();
        for (const set of sets) {
          const ids = srvIds(set, before);
          expect(new Set(ids).size).toBe(set.length);
          set.forEach((each, i) => {
            const old = before.get(placeOf(each));
            if (old !== undefined) expect(ids[i]).toBe(old);
          });
          before = after(set, ids);
        }
      }),
    );
  });
});

describe('attributesOf', () => {
  it('reads facts, metadata and tags, the first of several with one key', () => {
    const strings = ['version=1', 'zone=z', 'k=a=b', 'gpu', 'k=z', '=x', '', '__proto__=y'];
    expect(attributesOf([{ type: 'TXT', name: 'x', ttl: 1, strings }])).toEqual({
      ...{ version: '1', zone: 'z', tags: { k: 'a=b', gpu: '' }, metadata: { k: 'a=b' } },
    });
  });
});
