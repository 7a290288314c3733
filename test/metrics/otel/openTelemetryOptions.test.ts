/** Options that make no sense are refused by their names, before anything begins. */

import { FleetError } from '../../../src/core/fleetError.js';
import { openTelemetry, type OpenTelemetryOptions } from '../../../src/metrics/otel.js';
import { scriptedFleet } from '../prometheus/scriptedFleet.js';

const cases: readonly (readonly [field: string, options: OpenTelemetryOptions])[] = [
  ['meterProvider', { meterProvider: {} as never }],
  ['meterProvider', { meterProvider: true as never }],
  ['meterProvider', { meterProvider: null as never }],
  ['tracerProvider', { tracerProvider: {} as never }],
  ['propagator', { propagator: {} as never }],
  ['target', { target: 7 as never }],
  ['enableMetrics', { enableMetrics: ['grpc.client.call.retires'] }],
  ['enableMetrics', { enableMetrics: ['grpc.server.*'] }],
  ['enableMetrics', { enableMetrics: [7 as never] }],
  ['disableMetrics', { disableMetrics: [''] }],
  ['optionalAttributes', { optionalAttributes: ['grpc.lb.weather' as never] }],
  ['maxMethods', { maxMethods: 0 }],
  ['maxMethods', { maxMethods: NaN }],
  ['maxMethods', { maxMethods: 1.5 }],
  ['decisionsUpTo', { decisionsUpTo: NaN }],
  ['decisionsUpTo', { decisionsUpTo: -1 }],
  ['messageEvents', { messageEvents: NaN }],
  ['messageEvents', { messageEvents: -1 }],
];

it.each(cases)('%s is refused by name: %j', (field, options) => {
  const { fleet } = scriptedFleet();
  const refused = () => openTelemetry(fleet, options);
  expect(refused).toThrow(FleetError);
  expect(refused).toThrow(new RegExp(`${field} must be`));
  expect((fleet.events$ as unknown as { observed: boolean }).observed).toBe(false);
});
