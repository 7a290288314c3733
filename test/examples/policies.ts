/** Everything around a call, on a bad day made to order. */
import { count, lastValueFrom, mergeMap, range } from 'rxjs';
import {
  aimdLimit,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  createClient,
  createFleet,
  faultInjection,
  outlierDetection,
  peakEwma,
  perAttempt,
  rateLimit,
  staticNodes,
} from 'rxfleet';
import { grpcTransport } from 'rxfleet/transport/grpc';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';

const addresses = process.env.RXFLEET_NODES!.split(',');

//#region example
await using fleet = createFleet({
  service: 'demo.Greeter',
  discovery: staticNodes(addresses),
  transport: grpcTransport(),
  balancer: peakEwma(), // who would answer soonest; also leastRequest(), zoneAware({ zone }), maglev(), …
  eject: [outlierDetection(), consecutiveFailures()], // one budget: a tenth of the nodes may be out, but one in any case
  slowStart: { windowMs: 10_000 }, // who comes back gets its share little by little
  use: [
    rateLimit({ perSecond: 1_000, per: ({ metadata }) => String(metadata?.['x-tenant']), maxWaitMs: 500 }),
    concurrencyLimit({ limit: aimdLimit() }), // what cannot be in time is refused first
    circuitBreaker({ perMethod: true }),
    perAttempt(faultInjection({ abort: { ratio: 0.02, code: 'UNAVAILABLE' } })),
  ],
  calls: { failover: true, hedge: { percentile: 0.95 } }, // one budget for retries, hedges and failovers: 20 % and 10 a second
});

const greeter = createClient(fleet, Greeter);
const hello$ = greeter.sayHello({ name: 'Ada' }, { deadlineMs: 2_000, metadata: { 'x-tenant': 'a' } });
const answered = await lastValueFrom(
  range(0, 40).pipe(
    mergeMap(() => hello$, 8),
    count(),
  ),
);
const { retries, latencyMs } = fleet.snapshot().calls;
console.log(`${answered} answered, ${retries} retries, half of them within ${latencyMs?.p50.toFixed(1)} ms`);
//#endregion
