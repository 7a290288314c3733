import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { of } from 'rxjs';
const ok = {status:'ok' as const, latencyMs:1};
for (const W of [false,true]) {
  const set = NodeSet.of(Array.from({length:1000},(_, i)=>createNode({id:'n'+i,address:`10.0.${i>>8}.${i&255}:1`,weight:W?1+i%10:1})));
  let picker:any; of(set).pipe(leastLoaded()).subscribe(p=>picker=p);
  const ctx={}; const open:any[]=new Array(64).fill(undefined);
  const A:number[]=[],B:number[]=[];
  for (let r=0;r<7;r++){ const N=1e6; let t=process.cpuUsage().user; for(let i=0;i<N;i++) {open[i&63]=picker.pick(ctx);} A.push((process.cpuUsage().user-t)*1e3/N);
   t=process.cpuUsage().user; for(let i=0;i<N;i++) {open[i&63]?.end(ok); open[i&63]=picker.pick(ctx);} B.push((process.cpuUsage().user-t)*1e3/N); }
  console.log(W?'weighted':'equal','ns pick',A.sort((a,b)=>a-b)[3]!.toFixed(0),'pick+end',B.sort((a,b)=>a-b)[3]!.toFixed(0));
}
