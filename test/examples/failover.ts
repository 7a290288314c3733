/** Failover is a catchError switch: to another node by itself, to another fleet by one operator. */
import { firstValueFrom } from 'rxjs';
import { createClient, createFleet, failover, staticNodes } from 'rxfleet';
import { grpcTransport } from 'rxfleet/transport/grpc';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';

const transport = grpcTransport();
const fleetOf = (...addresses: string[]) =>
  createFleet({ service: 'demo.Greeter', discovery: staticNodes(addresses), transport });
// Port 1 of this machine: nobody is there.
await using dead = fleetOf('127.0.0.1:1');
await using alive = fleetOf(...process.env.RXFLEET_NODES!.split(','));
const primary = createClient(dead, Greeter);
const secondary = createClient(alive, Greeter);

//#region example
const request = { name: 'Ada' };
const answer$ = primary.sayHello(request).pipe(failover(() => secondary.sayHello(request)));
console.log((await firstValueFrom(answer$)).message);

primary.count(request, { retry: { maxAttempts: 4, initialBackoffMs: 50 }, failover: true }).subscribe({
  error: ({ code, message, remedy }) => console.log(`${code}: ${message}; ${remedy}`),
});
//#endregion
