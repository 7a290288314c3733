/**
 * `ringHash()` beside gRPC's own clients: told the same by one control plane, all send equal keys to the same backend.
 *
 * C-core takes part where `RXFLEET_GRPCIO` names one: the 1.51 of Debian ends with SIGSEGV when a cluster asks for a ring.
 */

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { of } from 'rxjs';
import type { Picker } from '../../src/balancer/picker.js';
import { ringHash } from '../../src/balancer/ringHash.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '../../src/gen/envoy/cluster_pb.js';
import { RouteActionSchema } from '../../src/gen/envoy/route_pb.js';
import { startGreeter, type Greeter } from '../support/greeter.js';
import { ownGrpcio, ownXdsClient, realXdsClients, type XdsClient } from '../support/xdsClients.js';
import { startXdsControlPlane, type XdsControlPlane } from '../support/xdsControlPlane.js';
import { endpoints, listener, routes } from '../support/xdsResources.js';

const real = await realXdsClients();
const theirs = real.start.slice(0, ownGrpcio ? undefined : 1);

const keys = Array.from({ length: 300 }, (_, i) => `user-${i * 7_919}`);

/** A route that hashes header `x-key`: `hash_policy` (15) with a `header` (1) of this `header_name` (1). */
function hashedRoute(cluster: string) {
  const name = Buffer.from('x-key');
  const data = Uint8Array.from([name.length + 4, 0x0a, name.length + 2, 0x0a, name.length, ...name]);
  const value = create(RouteActionSchema, { clusterSpecifier: { case: 'cluster', value: cluster } });
  value.$unknown = [{ no: 15, wireType: 2, data }];
  return {
    match: { pathSpecifier: { case: 'prefix' as const, value: '' } },
    action: { case: 'route' as const, value },
  };
}

function ringCluster(name: string) {
  const edsConfig = { configSourceSpecifier: { case: 'ads' as const, value: {} } };
  const clusterDiscoveryType = { case: 'type' as const, value: Cluster_DiscoveryType.EDS };
  const init = { name, clusterDiscoveryType, edsClusterConfig: { edsConfig }, lbPolicy: Cluster_LbPolicy.RING_HASH };
  return anyPack(ClusterSchema, create(ClusterSchema, init));
}

describe('the rings of several clients', () => {
  let plane: XdsControlPlane;
  let clients: XdsClient[] = [];
  const backends: Greeter[] = [];

  /** Makes the plane list these; returns the home of each key by a picker that has never seen a socket. */
  const list = (weights: readonly number[]): readonly string[] => {
    // In the order of their addresses, by which ours and grpc-go's sort; C-core and grpc-js take them as they are listed.
    const listed = backends
      .map(({ name, port, address }, i) => ({ name, port, address, weight: weights[i]! }))
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => (a.address < b.address ? -1 : 1));
    const eds = listed.map(({ port, weight }) => ({ port, weight }));
    plane.put(['eds', 'shop-cluster', endpoints('shop-cluster', [{ endpoints: eds }])]);
    let picker: Picker | undefined;
    of(NodeSet.of(listed.map(({ name, address, weight }) => createNode({ name, address, weight }))))
      .pipe(ringHash())
      .subscribe((next) => (picker = next));
    return keys.map((key) => picker!.pick({ key }).node!.name);
  };

  /** What a client says once it says what is expected, or at last: it may not have heard yet, or still be connecting. */
  const homesOf = async ({ homes }: XdsClient, expected: readonly string[]): Promise<readonly string[]> => {
    const end = Date.now() + 40_000;
    for (;;) {
      const found = await homes(keys);
      if (Date.now() > end || found.every((home, i) => home === expected[i])) return found;
    }
  };

  beforeAll(async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) backends.push(await startGreeter({ name }));
    plane = await startXdsControlPlane();
    const bootstrap = {
      xds_servers: [{ server_uri: plane.address, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
      node: { id: 'client', locality: {} },
    };
    plane.put(
      ['lds', 'shop', listener('shop', 'shop-routes')],
      ['rds', 'shop-routes', routes('shop-routes', [hashedRoute('shop-cluster')])],
      ['cds', 'shop-cluster', ringCluster('shop-cluster')],
    );
    list([1, 1, 1, 1, 1, 1]);
    clients = [ownXdsClient(bootstrap, false, ringHash()), ...theirs.map((start) => start(bootstrap))];
  });
  afterAll(async () => {
    for (const client of clients) client.stop();
    await plane.close();
    for (const backend of backends) await backend.close();
  });

  it.each([
    ['endpoints of one weight', [1, 1, 1, 1, 1, 1]],
    ['endpoints of several weights', [1, 2, 3, 4, 5, 6]],
    ['one endpoint less', [1, 0, 3, 4, 5, 6]],
    ['weights that make no whole number of entries', [7, 11, 13, 1_000, 17, 19]],
  ])('%s: each key is at home with the same one', { timeout: 60_000 }, async (_, weights) => {
    const expected = list(weights);
    expect(clients.length).toBeGreaterThan(1);
    await Promise.all(
      clients.map(async (client) => expect(await homesOf(client, expected), client.name).toEqual(expected)),
    );
  });
});
