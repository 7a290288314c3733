/** A process that does nothing but write a cache, to be killed while it does: `tsx cacheProcess.ts FILE`. */

import { map, timer } from 'rxjs';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { cacheDiscovery } from '../../src/discovery/cacheDiscovery.js';

const nodes = (turn: number) =>
  Array.from({ length: 2_000 }, (_, i) => createNode({ id: `n${i}`, address: `h:${1 + ((i + turn) % 60_000)}` }));

cacheDiscovery(() => timer(0, 1).pipe(map((turn) => NodeSet.of(nodes(turn)))), {
  file: process.argv[2]!,
  writeDelayMs: 0,
})({ service: 's' }).subscribe();
