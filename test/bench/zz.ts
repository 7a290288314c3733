import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { of } from 'rxjs';
const ok = { status: 'ok' as const, latencyMs: 1 };
const W = process.argv[2] === 'w';
for (const n of [1000]) {
  const set = NodeSet.of(
    Array.from({ length: n }, (_, i) =>
      createNode({ id: 'n' + i, address: `10.0.${i >> 8}.${i & 255}:1`, weight: W ? 1 + (i % 10) : 1 }),
    ),
  );
  let picker: any;
  of(set)
    .pipe(leastLoaded())
    .subscribe((p) => (picker = p));
  const ctx = {};
  const open: any[] = new Array(64).fill(undefined);
  for (let r = 0; r < 6; r++) {
    const N = 4e6;
    let t = performance.now();
    for (let i = 0; i < N; i++) {
      open[i & 63] = picker.pick(ctx);
    }
    let d = performance.now() - t;
    t = performance.now();
    for (let i = 0; i < N; i++) {
      open[i & 63]?.end(ok);
      open[i & 63] = picker.pick(ctx);
    }
    const e = performance.now() - t;
    console.log(n, (N / d / 1e3).toFixed(1) + 'M/s', 'with end', (N / e / 1e3).toFixed(1));
  }
}
