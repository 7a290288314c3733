/** Proves a balancer on virtual time, and holds it to the contract of every balancer. */
import { describe, it } from 'node:test';
import { createNode, roundRobin } from 'rxfleet';
import { marble, testBalancer } from 'rxfleet/testing';

const runner = { describe, it };
const [x, y, z] = ['x', 'y', 'z'].map((id, i) => createNode({ id, address: `10.0.0.${i + 1}:50051` }));

marble(
  'a node that dies mid-turn gives its turn to the next',
  ({ nodes, picks, expectPicks }) => {
    nodes('a---b--|', { a: [x!, y!, z!], b: [x!, z!] }).pipe(roundRobin());
    picks('-p-p-p-|');
    expectPicks('-x-y-z-|');
  },
  { runner },
);

testBalancer(() => roundRobin(), { runner });
