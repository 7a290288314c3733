import { map, of } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { fastestResponse } from '../../src/balancer/fastestResponse.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { leastRequest } from '../../src/balancer/leastRequest.js';
import { peakEwma } from '../../src/balancer/peakEwma.js';
import { maglev } from '../../src/balancer/maglev.js';
import type { Balancer } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { powerOfTwo } from '../../src/balancer/powerOfTwo.js';
import { priorityFailover } from '../../src/balancer/priorityFailover.js';
import { random } from '../../src/balancer/random.js';
import { randomSubset } from '../../src/balancer/randomSubset.js';
import { ringHash } from '../../src/balancer/ringHash.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { stickySessions } from '../../src/balancer/stickySessions.js';
import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { zoneAware } from '../../src/balancer/zoneAware.js';
import type { Node } from '../../src/core/node.js';
import { taskAware } from '../../src/lumen/taskAware.js';
import { updateNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { testBalancer } from '../../src/testing/testBalancer.js';

/** What a metrics server may say of nodes that nobody called. */
const fictions = of(new Map(Array.from({ length: 10 }, (_, i) => [`n${i}`, [NaN, 0, -1, Infinity][i % 4]!])));

const nearest =
  (zone: string): Balancer =>
  (nodes$) =>
    nodes$.pipe(map((set) => pickerOf(set, (nodes) => nodes.find((n) => n.zone === zone) ?? nodes[0])));

/** Over nodes that are each told apart by the key of their place on the ring. */
const byHashKey =
  (balancer: Balancer): Balancer =>
  (set$) =>
    set$.pipe(
      map((set) => NodeSet.of(set.nodes.map((node) => updateNode(node, { metadata: { hash_key: node.id } })))),
      balancer,
    );

testBalancer(() => roundRobin(), { name: 'roundRobin', spread: true });
testBalancer((chance) => roundRobin({ random: chance }), { name: 'roundRobin from a random start', spread: true });
testBalancer((chance) => random({ random: chance }), { name: 'random', spread: true });
testBalancer(() => leastLoaded(), { name: 'leastLoaded', spread: true, loadAware: true });
testBalancer((chance) => leastLoaded({ random: chance }), {
  name: 'leastLoaded from a random start',
  spread: true,
  loadAware: true,
});
testBalancer((chance) => powerOfTwo({ random: chance }), {
  name: 'powerOfTwo',
  spread: true,
  weighted: true,
  loadAware: true,
});
testBalancer((chance) => leastRequest({ random: chance, choiceCount: 5 }), {
  name: 'leastRequest of five',
  spread: true,
  weighted: true,
  loadAware: true,
});
testBalancer((chance) => leastRequest({ random: chance, activeRequestBias: 0.5 }), {
  name: 'leastRequest with half a bias',
  spread: true,
  loadAware: true,
});
testBalancer((chance) => leastRequest({ random: chance, activeRequestBias: 0 }), {
  name: 'leastRequest without a bias',
  spread: true,
  weighted: true,
});
testBalancer((chance, scheduler) => peakEwma({ random: chance, scheduler }), {
  name: 'peakEwma',
  spread: true,
  weighted: true,
  loadAware: true,
});
testBalancer((chance, scheduler) => fastestResponse({ random: chance, scheduler }), {
  name: 'fastestResponse',
  spread: true,
  weighted: true,
  loadAware: true,
});
testBalancer((chance, scheduler) => fastestResponse({ random: chance, scheduler, latencies$: fictions }), {
  name: 'fastestResponse that is told nonsense',
  spread: true,
  weighted: true,
  loadAware: true,
});
testBalancer(() => weightedRoundRobin(), { name: 'weightedRoundRobin', spread: true, weighted: true });
testBalancer((chance) => weightedRoundRobin({ random: chance }), {
  name: 'weightedRoundRobin from a random start',
  spread: true,
  weighted: true,
});
testBalancer((chance) => weightedRoundRobin({ loadReports: true, random: chance }), {
  name: 'weightedRoundRobin by load reports',
  spread: true,
});
testBalancer((chance) => weightedRandom({ random: chance }), { name: 'weightedRandom', spread: true, weighted: true });
testBalancer((chance) => consistentHash({ random: chance }), {
  name: 'consistentHash',
  spread: true,
  weighted: true,
  keyed: true,
});

const evenOrOdd = ({ id }: Node) => id.charCodeAt(id.length - 1) % 2;
const parity = (node: Node) => (evenOrOdd(node) ? 'odd' : 'even');
testBalancer((chance) => zoneAware({ zone: 'eu', random: chance }), { name: 'zoneAware of one zone', spread: true });
testBalancer((chance) => zoneAware({ zone: 'odd', minNodes: 1, zoneOf: parity, random: chance }), {
  name: 'zoneAware of two zones',
});
testBalancer((chance) => zoneAware({ zone: 'eu', balancer: consistentHash({ random: chance }), random: chance }), {
  name: 'zoneAware over consistentHash',
  keyed: true,
});
// In panic it takes nodes that do not serve, as it should; the contract does not know of it.
const calm = { panicThreshold: 0 };
testBalancer((chance) => priorityFailover({ ...calm, random: chance }), { name: 'priorityFailover', spread: true });
testBalancer((chance) => priorityFailover({ ...calm, priorityOf: evenOrOdd, random: chance }), {
  name: 'priorityFailover of two priorities',
});
testBalancer((chance) => priorityFailover({ ...calm, balancer: consistentHash({ random: chance }), random: chance }), {
  name: 'priorityFailover over consistentHash',
  keyed: true,
});
testBalancer(() => taskAware(), { name: 'taskAware by turns', spread: true, weighted: true });
testBalancer((chance) => taskAware({ pick: 'random', random: chance }), {
  name: 'taskAware by chance',
  spread: true,
  weighted: true,
});
const keyed = { spread: true, weighted: true, keyed: true };
testBalancer((chance) => consistentHash({ random: chance, boundedLoad: 1.25 }), {
  name: 'consistentHash with bounded loads',
  ...keyed,
});
// The nodes of the cases have one address, and share the entries of one endpoint.
testBalancer((chance) => ringHash({ random: chance }), { name: 'ringHash of one address', ...keyed });
testBalancer((chance) => byHashKey(ringHash({ random: chance })), { name: 'ringHash', ...keyed, disruption: 0.15 });
testBalancer((chance) => byHashKey(ringHash({ random: chance, boundedLoad: 1.25 })), {
  name: 'ringHash with bounded loads',
  ...keyed,
  disruption: 0.15,
});
// A small table, since some cases change the set with each call.
testBalancer((chance) => maglev({ random: chance, tableSize: 1_009 }), { name: 'maglev', ...keyed, disruption: 0.03 });
testBalancer((chance) => maglev({ random: chance, tableSize: 1_009, boundedLoad: 1.25 }), {
  name: 'maglev with bounded loads',
  ...keyed,
  disruption: 0.03,
});
testBalancer(() => stickySessions(), { name: 'stickySessions', spread: true });
testBalancer((chance) => stickySessions({ balancer: weightedRandom({ random: chance }) }), {
  name: 'stickySessions by weight',
  spread: true,
  weighted: true,
});
testBalancer((chance) => randomSubset(20, { random: chance }), { name: 'randomSubset', spread: true });
testBalancer((chance) => stickySessions({ balancer: randomSubset(20, { random: chance }) }), {
  name: 'stickySessions in a subset',
  spread: true,
});
testBalancer(() => nearest('eu-1'), { name: 'a custom balancer' });
