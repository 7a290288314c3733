import type { Pick } from '../../src/balancer/picker.js';
import type { CallInfo } from '../../src/call/call.js';
import { DecisionEvent } from '../../src/call/decisionEvent.js';
import { createNode } from '../../src/core/node.js';

const node = createNode({ id: 'a', address: 'a:1' });
const call = { id: 7, name: '/demo.Greeter/SayHello' } as CallInfo;

function decision() {
  let made = 0;
  const pick: Pick = {
    node,
    end: () => undefined,
    release: () => undefined,
    get why() {
      made++;
      return { strategy: 'round_robin', candidates: [{ node: 'a' }], leftOut: [] };
    },
  };
  return { event: new DecisionEvent(5, call, 1, node, pick), made: () => made };
}

describe('a decision', () => {
  it('makes no account while only other things are asked of it, so that metrics do not pay for thousands of nodes', () => {
    const { event, made } = decision();
    expect([event.type, event.at, event.call, event.attempt, event.chosen]).toEqual(['decision', 5, call, 1, node]);
    expect(made()).toBe(0);
  });

  it('makes it once, and says the same each time', () => {
    const { event, made } = decision();
    expect(event.strategy).toBe('round_robin');
    expect(event.candidates).toBe(event.candidates);
    expect(event.leftOut).toEqual([]);
    expect(made()).toBe(1);
  });

  it('shows the account in a log', () => {
    const told = JSON.parse(JSON.stringify(decision().event)) as object;
    expect(told).toMatchObject({ type: 'decision', strategy: 'round_robin', candidates: [{ node: 'a' }] });
  });
});
