/** Real Lumen nodes that work on one request at a time. */

import { lastValueFrom, mergeMap, range, tap, toArray } from 'rxjs';
import { concurrencyLimit, staticNodes } from '../../src/index.js';
import { createLumenClient } from '../../src/lumen/index.js';
import { startLumenNode, type LumenNode } from '../../src/testing/lumenNode.js';

let nodes: LumenNode[] = [];
afterEach(() => Promise.all(nodes.map((node) => node.close(0))));

describe('concurrencyLimit with Lumen nodes', () => {
  it('feeds each as much as it says that it can do, so that nothing piles up at any of them', async () => {
    nodes = await Promise.all(
      [1, 1, 2].map((maxConcurrency, i) =>
        startLumenNode({ name: `n${i}`, tasks: ['echo'], maxConcurrency, msPerRequest: 10 }),
      ),
    );
    const max = ({ capabilities }: { capabilities: readonly { maxConcurrency: number }[] }) =>
      capabilities[0]?.maxConcurrency;
    await using lumen = createLumenClient({
      discovery: staticNodes(nodes.map(({ name, address }) => ({ id: name, address }))),
      use: [concurrencyLimit({ per: 'node', max })],
    });
    await vi.waitFor(() =>
      expect(lumen.nodes$.value.nodes.filter(({ compatibility }) => compatibility === 'compatible')).toHaveLength(3),
    );
    // Without a limit it is twenty.
    let mostThere = 0;
    const look = () => {
      for (const { requests, answered } of nodes) mostThere = Math.max(mostThere, requests - answered);
    };
    const results = await lastValueFrom(
      range(60).pipe(
        mergeMap((i) =>
          lumen.infer({ task: 'echo', payload: `request ${i}` }).pipe(tap({ next: look, complete: look })),
        ),
        toArray(),
      ),
    );
    expect(results).toHaveLength(60);
    expect(mostThere).toBeLessThanOrEqual(3);
    expect(nodes.map(({ maxInFlight }) => maxInFlight)).toEqual([1, 1, 2]);
    expect(nodes[2]!.answered).toBeGreaterThan(nodes[0]!.answered);
  });
});
