import fc from 'fast-check';
import { of, Subject } from 'rxjs';
import { aliasTable } from '../../src/balancer/aliasTable.js';
import { CreditRing, startingPart } from '../../src/balancer/creditRing.js';
import { FairTurns } from '../../src/balancer/fairTurns.js';
import type { Picker } from '../../src/balancer/picker.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const node = (id: string, weight: number) => createNode({ id, address: '10.0.0.1:50051', weight });

function pickerOver(weights: readonly number[]): Picker {
  let picker: Picker | undefined;
  of(NodeSet.of(weights.map((weight, i) => node(`n${i}`, weight))))
    .pipe(weightedRoundRobin())
    .subscribe((next) => (picker = next));
  return picker!;
}

function countPicks(picker: Picker, picks: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < picks; i++) {
    const { id } = picker.pick({}).node!;
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

describe('weightedRoundRobin', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });

  it('keeps whole weights exactly over every cycle', () => {
    fc.assert(
      fc.property(weights, (given) => {
        const picker = pickerOver(given);
        const cycle = given.reduce((sum, weight) => sum + weight, 0);
        for (let round = 0; round < 5; round++) {
          const counts = countPicks(picker, cycle);
          given.forEach((weight, i) => expect(counts.get(`n${i}`)).toBe(weight));
        }
      }),
    );
  });

  it('keeps them exactly with very many different weights, too', () => {
    const given = Array.from({ length: 200 }, (_, i) => 1 + ((i * 37) % 149));
    const picker = pickerOver(given);
    const cycle = given.reduce((sum, weight) => sum + weight, 0);
    for (let round = 0; round < 4; round++) {
      const counts = countPicks(picker, cycle);
      given.forEach((weight, i) => expect(counts.get(`n${i}`)).toBe(weight));
    }
  });

  it('keeps very many different weights while sets change faster than a round takes', () => {
    const given = Array.from({ length: 100 }, (_, i) => 1 + i / 100);
    const source = new Subject<NodeSet>();
    let picker: Picker | undefined;
    source.pipe(weightedRoundRobin()).subscribe((next) => (picker = next));
    const nodes = given.map((weight, i) => node(`n${i}`, weight));
    const taken = new Map<string, number>();
    const picks = 40_000;
    for (let i = 0; i < picks; i++) {
      if (i % 20 === 0) source.next(NodeSet.of([...nodes, node(`extra-${i}`, 1.2345)]));
      const { id } = picker!.pick({}).node!;
      taken.set(id, (taken.get(id) ?? 0) + 1);
    }
    const total = given.reduce((sum, weight) => sum + weight, 0);
    given.forEach((weight, i) => {
      const share = taken.get(`n${i}`)! / ((picks * weight) / total);
      expect(share).toBeGreaterThan(0.9);
      expect(share).toBeLessThan(1.1);
    });
  });

  it('keeps them over a cycle however long it ran before', () => {
    const given = [1, 3, 7, 11, 13];
    const picker = pickerOver(given);
    countPicks(picker, 35 * 10_000);
    const counts = countPicks(picker, 35);
    given.forEach((weight, i) => expect(counts.get(`n${i}`)).toBe(weight));
  });

  it('leaves no node more than about one turn ahead of or behind its share at any time', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 10 }), (given) => {
        const picker = pickerOver(given);
        const total = given.reduce((sum, weight) => sum + weight, 0);
        const taken = new Map<string, number>();
        for (let turn = 1; turn <= 2 * total; turn++) {
          const { id } = picker.pick({}).node!;
          taken.set(id, (taken.get(id) ?? 0) + 1);
          const leads = given.map((weight, i) => (taken.get(`n${i}`) ?? 0) - (turn * weight) / total);
          // Never a turn ahead, and behind only while those due earlier are served.
          if (!leads.every((lead) => lead > -2 && lead < 1)) expect.fail(`after ${turn} turns: ${leads.join()}`);
        }
      }),
    );
  });

  it('never lets a heavy node take its turns in a row while others wait', () => {
    const picker = pickerOver([50, ...Array.from({ length: 50 }, () => 1)]);
    let run = 0;
    for (let i = 0; i < 1_000; i++) {
      run = picker.pick({}).node!.id === 'n0' ? run + 1 : 0;
      expect(run).toBeLessThanOrEqual(2);
    }
  });

  it('serves weights under 1 and of very unequal size', () => {
    const picker = pickerOver([0.001, 0.003]);
    expect(countPicks(picker, 400).get('n0')).toBe(100);
    const unequal = pickerOver([1, 1e6]);
    expect(countPicks(unequal, 1_000_001).get('n0')).toBe(1);
  });
});

describe('FairTurns', () => {
  it('goes on from the leads it is given', () => {
    const turns = new FairTurns([1, 1], [0, 0]);
    expect(turns.take()).toBe(0);
    const leads = [turns.lead(0), turns.lead(1)];
    expect(leads).toEqual([0.5, -0.5]);
    expect(new FairTurns([1, 1], leads).take()).toBe(1);
  });

  it('shares as before when those who were behind are gone', () => {
    const turns = new FairTurns([1, 3], [0.9, 0.8]);
    const counts = [0, 0];
    for (let i = 0; i < 4_000; i++) counts[turns.take()]!++;
    expect(Math.abs(counts[0]! - 1_000)).toBeLessThanOrEqual(1);
  });
});

describe('CreditRing', () => {
  it('keeps every share to less than one turn, for ever', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(weights, (given) => {
        const ring = new CreditRing(Float64Array.from(given), startingPart);
        const total = given.reduce((sum, weight) => sum + weight, 0);
        const counts = given.map(() => 0);
        const cycles = 5;
        for (let i = 0; i < cycles * total; i++) counts[ring.take()]!++;
        given.forEach((weight, i) => expect(Math.abs(counts[i]! - cycles * weight)).toBeLessThanOrEqual(1));
      }),
    );
  });
});

describe('aliasTable', () => {
  it('holds exactly the shares of the weights', () => {
    const weight = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 50 }), (weights) => {
        const table = aliasTable(weights);
        const shares = new Float64Array(weights.length);
        weights.forEach((_, i) => {
          shares[i]! += table[2 * i]! / weights.length;
          shares[table[2 * i + 1]!]! += (1 - table[2 * i]!) / weights.length;
        });
        const total = weights.reduce((sum, w) => sum + w, 0);
        weights.forEach((w, i) => expect(shares[i]).toBeCloseTo(w / total, 9));
      }),
    );
  });
});
