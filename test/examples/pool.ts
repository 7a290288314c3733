/** A pool of anything there is one of per node, here of HTTP clients: balanced, protected, failed over. */
import { firstValueFrom, lastValueFrom, mergeMap, range } from 'rxjs';
import { circuitBreaker, createPool, formatAddress, rateLimit, recover, staticNodes, weightedRandom } from 'rxfleet';
import { Client } from 'undici';

const [first, second] = process.env.RXFLEET_HTTP!.split(',') as [string, string];

//#region example
await using pool = createPool({
  discovery: staticNodes([
    { address: first, weight: 3 },
    { address: second, weight: 1 },
  ]),
  open: ({ address }) => new Client(`http://${formatAddress(address)}`), // of undici; or of pg, an SDK, …
  close: (client) => client.close(),
  probe: (client) => client.request({ method: 'HEAD', path: '/health' }),
  balancer: weightedRandom(),
  use: [
    recover(),
    rateLimit({ perSecond: 500, burst: 50, maxWaitMs: 1_000 }),
    circuitBreaker({ consecutiveFailures: 5, cooldownMs: 30_000 }),
  ],
  calls: { failover: true }, // what is asked here may be asked twice
});

const page = async (client: Client) => (await client.request({ method: 'GET', path: '/' })).body.text();
const ask$ = pool.use(page, { name: 'page' });
await lastValueFrom(range(0, 100).pipe(mergeMap(() => ask$, 16)));
console.log(await firstValueFrom(ask$));

// The same by a typed proxy: every method of the client, as an Observable.
const { statusCode } = await firstValueFrom(pool.client().request({ method: 'GET', path: '/' }));
console.log(statusCode);

const { calls, nodes } = pool.snapshot();
console.log(calls.succeeded, 'answered,', nodes.map(({ id, requests }) => `${id}: ${requests}`).join(', '));
//#endregion
