import fc from 'fast-check';
import type { Entrant } from '../../src/call/policy.js';
import { before, WaitingLine, type Waiter } from '../../src/call/waitingLine.js';

const entrant = {} as Entrant;

describe('waitingLine', () => {
  it('lets the higher priority in first, then who is due sooner, then who came first, whoever joins and leaves when', () => {
    const step = fc.record({
      join: fc.boolean(),
      priority: fc.constantFrom(-1, 0, 0, 0, 2),
      due: fc.constantFrom(10, 20, 20, 30, Infinity),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const line = new WaitingLine<Waiter>();
        let model: Waiter[] = [];
        steps.forEach(({ join, priority, due, which }, number) => {
          if (join || model.length === 0) {
            const waiter = { entrant, priority, due, number };
            line.join(waiter);
            model.push(waiter);
          } else {
            const leaving = model[which % model.length]!;
            expect(line.leave(leaving)).toBe(true);
            expect(line.leave(leaving)).toBe(false);
            model = model.filter((waiter) => waiter !== leaving);
          }
          const inOrder = model.toSorted((a, b) => b.priority - a.priority || dueOrder(a, b) || a.number - b.number);
          expect(Array.from({ length: line.size }, (_, i) => line.at(i))).toEqual(inOrder);
          expect(line.first).toBe(inOrder[0]);
        });
      }),
    );
  });

  it('says of any two who comes first', () => {
    const one = { entrant, priority: 0, due: Infinity, number: 1 };
    expect(before(one, { ...one, number: 2 })).toBe(true);
    expect(before({ ...one, number: 2 }, one)).toBe(false);
    expect(before({ ...one, priority: 1, number: 9 }, one)).toBe(true);
    expect(before({ ...one, due: 5, number: 9 }, one)).toBe(true);
  });
});

/** `Infinity - Infinity` is no order. */
function dueOrder(a: Waiter, b: Waiter): number {
  return a.due === b.due ? 0 : a.due - b.due;
}
