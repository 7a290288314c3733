import fc from 'fast-check';
import { RunningCalls, type RunningCall } from '../../src/call/runningCalls.js';

describe('the calls that run', () => {
  it('are all closed, and no other, in whatever order they came and went', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9)), (steps) => {
        let idle = 0;
        const running = new RunningCalls(() => idle++);
        const model = new Set<number>();
        const closed: number[] = [];
        const calls = Array.from({ length: 10 }, (_, i): RunningCall => {
          const call: RunningCall = {
            before: undefined,
            after: undefined,
            close() {
              closed.push(i);
              running.delete(call);
            },
          };
          return call;
        });
        let becameIdle = 0;
        for (const i of steps) {
          if (model.delete(i)) {
            running.delete(calls[i]!);
            if (model.size === 0) becameIdle++;
          } else {
            model.add(i);
            running.add(calls[i]!);
          }
          expect(running.size).toBe(model.size);
          expect(idle).toBe(becameIdle);
        }
        running.close();
        expect(closed.sort()).toEqual([...model].sort());
        expect(running.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
