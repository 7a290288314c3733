/** AIO, whole: the token, the registry, a heartbeat, and a fleet over it. */
import { filter, firstValueFrom, share } from 'rxjs';
import { createClient } from 'rxfleet';
import { createAioClient } from 'rxfleet/aio';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';

const registryAddr = process.env.RXFLEET_AIO!;
const { RXFLEET_AIO_KEY: clientKey = '', RXFLEET_AIO_SECRET: clientSecret = '' } = process.env;
const [address] = process.env.RXFLEET_NODES!.split(',');

//#region example
await using aio = createAioClient({ registryAddr, clientKey, clientSecret, env: 'prod', pollMs: 500 });
aio.auth.credential$.subscribe(({ scheme, expiresAt }) => console.log(scheme, expiresAt > Date.now())); // renewed in time

const self$ = aio.registerSelf({ project: 'shop', service: 'greeter', address }).pipe(share());
const self = self$.subscribe(({ state }) => console.log(state)); // kept alive; unsubscribe to withdraw
await firstValueFrom(self$.pipe(filter(({ state }) => state === 'registered')));

const fleet = aio.fleet({ project: 'shop', service: 'greeter' });
await firstValueFrom(fleet.nodes$.pipe(filter((set) => set.size === 1)));
const greeter = createClient(fleet, Greeter);
console.log((await firstValueFrom(greeter.sayHello({ name: 'Ada' }))).message);
self.unsubscribe();
//#endregion
