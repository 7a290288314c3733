/** flare's quick build: a service that registers itself and finds its peers; and a fleet from flare's own TOML. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom } from 'rxjs';
import { createFleetFromConfig } from 'rxfleet/config';
import { etcd } from 'rxfleet/discovery/etcd';
import { registerAndDiscover } from 'rxfleet/registration';
import { etcdRegistry } from 'rxfleet/registration/etcd';
import { grpcTransport } from 'rxfleet/transport/grpc';

const endpoints = process.env.RXFLEET_ETCD!.split(',');
const [address] = process.env.RXFLEET_NODES!.split(',');
const folder = await mkdtemp(join(tmpdir(), 'rxfleet-'));
const path = join(folder, 'fleet.toml');
writeFileSync(
  path,
  `[discovery]
backend = "etcd"
refresh_interval = 30
load_balance = "consistent_hash"

[discovery.backend_config]
endpoints = ["http://${endpoints[0]}"]
service_type = "signaling"

[discovery.namespace]
default = "production"
`,
);

//#region example
const { fleet, registration$ } = registerAndDiscover({
  service: 'signaling',
  namespace: 'production',
  address,
  discovery: etcd({ endpoints, layout: 'flare' }),
  registry: ({ ttlMs }) => etcdRegistry({ endpoints, layout: 'flare', ttlMs }),
  transport: grpcTransport(),
});
const registration = registration$.subscribe(({ state }) => console.log(state));
await firstValueFrom(registration$.pipe(filter(({ state }) => state === 'registered')));

await using fromFile = createFleetFromConfig(path); // flare's TOML as it stands
for (const each of [fleet, fromFile]) {
  const set = await firstValueFrom(each.nodes$.pipe(filter(({ size }) => size === 1)));
  console.log('found', set.nodes[0]?.address.port);
}
registration.unsubscribe();
await fleet.close();
//#endregion
await rm(folder, { recursive: true });
