/** Subscribes to a fleet, and calls a typed service on it. */
import { createClient as createConnectClient } from '@connectrpc/connect';
import { filter, firstValueFrom, lastValueFrom, map, take, tap } from 'rxjs';
import { createClient, createFleet, leastLoaded, staticNodes, toAsyncIterable } from 'rxfleet';
import { grpcTransport } from 'rxfleet/transport/grpc';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';

const addresses = process.env.RXFLEET_NODES!.split(',');

//#region example
await using fleet = createFleet({
  service: 'demo.Greeter',
  discovery: staticNodes(addresses), // or mdns(), or mergeDiscovery(mdns(), staticNodes(addresses))
  transport: grpcTransport(),
  balancer: leastLoaded(),
});

fleet.changes$.subscribe(({ added, removed, updated }) => {
  for (const node of [...added, ...updated]) console.log(node.id, node.availability);
  for (const node of removed) console.log(node.id, 'gone');
});
const ready$ = fleet.node$(addresses[0]!).pipe(
  map((node) => node.availability),
  filter((availability) => availability === 'ready'),
);
await firstValueFrom(ready$);

const greeter = createClient(fleet, Greeter);
const { message } = await firstValueFrom(greeter.sayHello({ name: 'Ada' }, { deadlineMs: 2_000, key: 'user-7' }));
console.log(message);

// The third value cancels the stream on the wire.
await lastValueFrom(
  greeter.lotsOfReplies({ name: 'Ada' }).pipe(
    take(3),
    tap(({ seq }) => console.log('reply', seq)),
  ),
);

// The wire waits for you.
for await (const reply of toAsyncIterable(greeter.lotsOfReplies({ name: 'Ada', replies: 2 }))) console.log(reply.node);

// A client generated for @connectrpc/connect gets the fleet by one line.
const same = createConnectClient(Greeter, fleet.transport());
console.log((await same.sayHello({ name: 'Grace' })).message);
//#endregion
