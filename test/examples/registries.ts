/** The registries that you already run: register, find, select, withdraw. */
import { filter, firstValueFrom, share } from 'rxjs';
import { createFleet, whereTags, whereVersion } from 'rxfleet';
import { etcd } from 'rxfleet/discovery/etcd';
import { register } from 'rxfleet/registration';
import { etcdRegistry } from 'rxfleet/registration/etcd';
import { grpcTransport } from 'rxfleet/transport/grpc';

const endpoints = process.env.RXFLEET_ETCD!.split(',');
const [address] = process.env.RXFLEET_NODES!.split(',');

//#region example
await using fleet = createFleet({
  service: 'thumbnails',
  // or consul(), dns(), xds(), aio(), broker(), file('nodes.yaml'), fallbackDiscovery(a, b), cacheDiscovery(a, { file })
  discovery: (query) => etcd({ endpoints, layout: 'flare' })(query).pipe(whereVersion('^1.4'), whereTags('gpu')),
  transport: grpcTransport(),
});
fleet.changes$.subscribe(({ added, removed }) => {
  for (const node of added) console.log('found', node.name, node.version);
  for (const node of removed) console.log('gone', node.name);
});

const self = { id: 'node-7', service: 'thumbnails', namespace: 'flare', address, version: '1.4.2', tags: { gpu: '' } };
const registration$ = register(self, etcdRegistry({ endpoints, layout: 'flare' })).pipe(share());
const registration = registration$.subscribe(({ state }) => console.log(state));
await firstValueFrom(registration$.pipe(filter(({ state }) => state === 'registered')));

await firstValueFrom(fleet.nodes$.pipe(filter((set) => set.size === 1)));
registration.unsubscribe(); // withdrawn: the lease is revoked, the key is gone
await firstValueFrom(fleet.nodes$.pipe(filter((set) => set.size === 0)));
//#endregion
