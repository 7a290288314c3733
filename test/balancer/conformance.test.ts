import { map } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import type { Balancer } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { powerOfTwo } from '../../src/balancer/powerOfTwo.js';
import { random } from '../../src/balancer/random.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { testBalancer } from '../../src/testing/testBalancer.js';

const nearest =
  (zone: string): Balancer =>
  (nodes$) =>
    nodes$.pipe(map((set) => pickerOf(set, (nodes) => nodes.find((n) => n.zone === zone) ?? nodes[0])));

testBalancer(() => roundRobin(), { name: 'roundRobin', spread: true });
testBalancer((chance) => roundRobin({ random: chance }), { name: 'roundRobin from a random start', spread: true });
testBalancer((chance) => random({ random: chance }), { name: 'random', spread: true });
testBalancer(() => leastLoaded(), { name: 'leastLoaded', spread: true });
testBalancer((chance) => leastLoaded({ random: chance }), { name: 'leastLoaded from a random start', spread: true });
testBalancer((chance) => powerOfTwo({ random: chance }), { name: 'powerOfTwo', spread: true });
testBalancer(() => weightedRoundRobin(), { name: 'weightedRoundRobin', spread: true, weighted: true });
testBalancer((chance) => weightedRoundRobin({ random: chance }), {
  name: 'weightedRoundRobin from a random start',
  spread: true,
  weighted: true,
});
testBalancer((chance) => weightedRandom({ random: chance }), { name: 'weightedRandom', spread: true, weighted: true });
testBalancer((chance) => consistentHash({ random: chance }), {
  name: 'consistentHash',
  spread: true,
  weighted: true,
  keyed: true,
});
testBalancer(() => nearest('eu-1'), { name: 'a custom balancer' });
