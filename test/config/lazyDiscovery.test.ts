/** Backends that are loaded when they are used, and not before. */

import { firstValueFrom, NEVER, of } from 'rxjs';
import { lazyDiscovery, lazyRegistry } from '../../src/config/lazyDiscovery.js';
import { createNode, NodeSet, type Discovery } from '../../src/index.js';
import type { Lease } from '../../src/registration/registry.js';

const set = NodeSet.of([createNode({ address: '127.0.0.1:1' })]);

describe('a lazy discovery', () => {
  it('loads at the first subscription, once, and each subscription is its own', async () => {
    let loads = 0;
    let queries = 0;
    const backend: Discovery = () => {
      queries++;
      return of(set);
    };
    const discovery = lazyDiscovery(() => {
      loads++;
      return Promise.resolve(backend);
    });
    const nodes$ = discovery({ service: 'x' });
    expect(loads).toBe(0);
    expect(await firstValueFrom(nodes$)).toBe(set);
    expect(await firstValueFrom(nodes$)).toBe(set);
    expect([loads, queries]).toEqual([1, 2]);
  });

  it('opens nothing for who left while it was loading', async () => {
    let opened = false;
    let resolve!: (discovery: Discovery) => void;
    const loading = new Promise<Discovery>((resolved) => (resolve = resolved));
    const discovery = lazyDiscovery(() => loading);
    discovery({ service: 'x' }).subscribe().unsubscribe();
    resolve(() => {
      opened = true;
      return NEVER;
    });
    await loading;
    await Promise.resolve();
    expect(opened).toBe(false);
  });

  it('errors with a code when it cannot be loaded', async () => {
    const discovery = lazyDiscovery(() => Promise.reject(new Error('no such module')));
    await expect(firstValueFrom(discovery({ service: 'x' }))).rejects.toMatchObject({
      code: 'DISCOVERY_FAILED',
      message: 'no such module',
    });
  });
});

describe('a lazy registry', () => {
  it('is loaded once for all nodes', async () => {
    let loads = 0;
    const registry = lazyRegistry('x', () => {
      loads++;
      return Promise.resolve({ name: 'x', put: (node) => of({ key: node.id } as Lease) });
    });
    const node = set.nodes[0]!;
    expect((await firstValueFrom(registry.put(node))).key).toBe(node.id);
    await firstValueFrom(registry.put(node));
    expect(loads).toBe(1);
  });
});
