/** The service config of gRPC as options of a fleet. */

import type { FleetOptions } from '../client/fleet.js';
import { FleetError } from '../core/fleetError.js';
import { activeHealth } from '../health/activeHealth.js';
import { grpcHealth } from '../health/grpcHealth.js';
import { JsonFields } from './serviceConfig/jsonFields.js';
import { loadBalancingOf } from './serviceConfig/loadBalancingOf.js';
import { methodsOf } from './serviceConfig/methodsOf.js';

/** What a service config says of a fleet. */
export type ServiceConfigOptions = Pick<
  FleetOptions,
  'methods' | 'balancer' | 'loadReports' | 'eject' | 'ejectionBudget' | 'retryThrottling' | 'health'
>;

/**
 * Options of a fleet from a gRPC service config, as it stands.
 *
 * ```ts
 * const fleet = createFleet({
 *   service: 'translate',
 *   discovery: dns({ port: 50051 }),
 *   transport: grpcTransport(),
 *   ...serviceConfig(readFileSync('service-config.json', 'utf8')),
 * });
 * ```
 *
 * Of a method that a `methodConfig` names the config alone says whether it is repeated: by a `retryPolicy` or a
 * `hedgingPolicy`, also where its proto does not call it idempotent; without one only what never left the client is. What the
 * config does not speak of stays as the other options have it. Of load balancing policies the first that is known here is
 * taken, as gRPC does: `pick_first`, `round_robin`, `weighted_round_robin`, `least_request_experimental`,
 * `ring_hash_experimental`, `random_subsetting_experimental` and `outlier_detection_experimental`.
 *
 * Format: https://github.com/grpc/grpc-proto/blob/master/grpc/service_config/service_config.proto
 *
 * @throws FleetError `INVALID_OPTION` with the path of what is wrong, or of what would have no effect.
 */
export function serviceConfig(json: unknown): ServiceConfigOptions {
  const config = new JsonFields(
    typeof json === 'string' ? parsed(json) : json,
    'serviceConfig',
    ['loadBalancingConfig', 'loadBalancingPolicy', 'methodConfig', 'retryThrottling', 'healthCheckConfig'],
    { connectionScaling: 'a node has one connection here' },
  );
  const methods = config.list('methodConfig');
  const policies = config.list('loadBalancingConfig');
  const policy = config.text('loadBalancingPolicy');
  if (policies && policy !== undefined) {
    throw new FleetError(
      'INVALID_OPTION',
      `${config.at('loadBalancingPolicy')} has no effect beside loadBalancingConfig`,
    );
  }
  const balancing =
    policies ?? (policy === undefined || policy === 'UNSPECIFIED' ? undefined : [{ [policy.toLowerCase()]: {} }]);
  const path = config.at(policies ? 'loadBalancingConfig' : 'loadBalancingPolicy');
  return {
    ...(methods ? { methods: methodsOf(methods, config.at('methodConfig')) } : {}),
    ...(balancing ? loadBalancingOf(balancing, path) : {}),
    ...throttlingOf(config),
    ...healthOf(config),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FleetError('INVALID_OPTION', `serviceConfig is no JSON: ${why}`, { cause });
  }
}

function throttlingOf(config: JsonFields): Pick<FleetOptions, 'retryThrottling'> {
  if (!config.has('retryThrottling')) return {};
  const path = config.at('retryThrottling');
  const throttling = new JsonFields(config.get('retryThrottling'), path, ['maxTokens', 'tokenRatio']);
  const maxTokens = throttling.required('maxTokens', throttling.whole('maxTokens', 1, 1_000));
  const ratio = throttling.number('tokenRatio', 'a number from 0.001', (value) => value >= 0.001);
  return { retryThrottling: { maxTokens, tokenRatio: throttling.required('tokenRatio', ratio) } };
}

/** gRFC A17: without a name the client does not ask. */
function healthOf(config: JsonFields): Pick<FleetOptions, 'health'> {
  if (!config.has('healthCheckConfig')) return {};
  const check = new JsonFields(config.get('healthCheckConfig'), config.at('healthCheckConfig'), ['serviceName']);
  const service = check.text('serviceName');
  if (service === undefined) {
    throw new FleetError('INVALID_OPTION', `${check.path} has no effect without a serviceName; "" is the whole node`);
  }
  return { health: activeHealth(grpcHealth({ service })) };
}
