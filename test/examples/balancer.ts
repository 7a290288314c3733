/** A balancer is an operator over node sets: one of ours, and one of yours. */
import { map, of } from 'rxjs';
import { createNode, NodeSet, pickerOf, roundRobin, type Balancer } from 'rxfleet';

const nodes$ = of(
  NodeSet.of([
    createNode({ address: '10.0.0.1:50051', zone: 'eu-1' }),
    createNode({ address: '10.0.0.2:50051', zone: 'us-1' }),
  ]),
);

//#region example
nodes$.pipe(roundRobin()).subscribe((picker) => {
  const picked = picker.pick({});
  console.log(picked.node ? picked.node.id : picked.code);
});

const nearest =
  (zone: string): Balancer =>
  (nodes$) =>
    nodes$.pipe(map((set) => pickerOf(set, (nodes) => nodes.find((node) => node.zone === zone) ?? nodes[0])));

nodes$.pipe(nearest('us-1')).subscribe((picker) => console.log(picker.pick({}).node?.id));
//#endregion
