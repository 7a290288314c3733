/** The contract of a discovery, held by `xds()` against a control plane over a real socket, in both forms of the protocol. */

import { xds } from '../../src/discovery/xds.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';
import { until } from '../support/until.js';
import { startXdsControlPlane, type XdsControlPlane } from '../support/xdsControlPlane.js';
import { cluster, endpoints, badCluster, listener, routes, routeTo } from '../support/xdsResources.js';

for (const incremental of [true, false]) {
  for (const by of ['service', 'cluster'] as const) {
    describe(`${incremental ? 'increments' : 'the state of the world'}, by ${by}`, () => {
      let plane: XdsControlPlane;
      const nodes = new Map<string, TestNode>();

      const tell = (): void =>
        plane.put([
          'eds',
          'eds-of-shop',
          endpoints('eds-of-shop', [{ endpoints: [...nodes.values()].map(({ name, port }) => ({ id: name, port })) }]),
        ]);
      beforeAll(async () => void (plane = await startXdsControlPlane()));
      afterAll(() => plane.close());

      const harness: DiscoveryHarness = {
        query: { service: by === 'service' ? 'xds:///shop' : 'cluster:shop-cluster' },
        async start() {
          await until('the case before has left', () => plane.connections === 0);
          plane.clear();
          nodes.clear();
          plane.put(
            ['lds', 'shop', listener('shop', 'shop-routes')],
            ['rds', 'shop-routes', routes('shop-routes', [routeTo({ 'shop-cluster': 1 })])],
            ['cds', 'shop-cluster', cluster('shop-cluster', 'eds-of-shop')],
          );
          tell();
        },
        stop: () => undefined,
        discovery: () => xds({ server: plane.address, incremental, backoff: { maxBackoffMs: 300 } }),
        add(node) {
          nodes.set(node.name, node);
          tell();
        },
        update(node) {
          nodes.set(node.name, node);
          tell();
        },
        remove(name) {
          nodes.delete(name);
          tell();
        },
        addBad: () => plane.put(['cds', 'shop-cluster', badCluster('shop-cluster')]),
        cut: () => plane.kill(),
        restore: () => plane.restart(),
        opened: () => plane.connections,
      };
      testDiscovery('xds', harness);
    });
  }
}
