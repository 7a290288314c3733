/** Reads the endpoints of a cluster, by locality and priority (EDS). */

import { fromBinary, type JsonObject } from '@bufbuild/protobuf';
import { formatAddress, isIPv4, isIPv6, type Address } from '../../core/address.js';
import { HealthStatus, type Address as AddressMessage } from '../../gen/envoy/core_pb.js';
import { ClusterLoadAssignmentSchema, type LbEndpoint, type LocalityLbEndpoints } from '../../gen/envoy/endpoint_pb.js';
import { FractionalPercent_DenominatorType } from '../../gen/envoy/percent_pb.js';
import { maxWeight, readAs, type ReadResource } from './readResource.js';

export interface EndpointOfLocality {
  /** The first is to be dialled first. */
  readonly addresses: readonly Address[];
  readonly hostname: string;
  readonly health: HealthStatus;
  /** At least 1. */
  readonly weight: number;
  /** What stands under `envoy.lb`, scalars as text. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface LocalityOfEndpoints {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly priority: number;
  /** 0 takes no calls: also what is meant when the control plane says nothing (gRFC A27). */
  readonly weight: number;
  readonly endpoints: readonly EndpointOfLocality[];
}

/** A share of the calls to be dropped before they reach anybody. */
export interface DropFacts {
  /** Why, in the words of the control plane. */
  readonly category: string;
  /** 0 to 1. */
  readonly fraction: number;
}

export interface EndpointFacts {
  readonly localities: readonly LocalityOfEndpoints[];
  readonly drops: readonly DropFacts[];
}

/** gRFC A27, with the checks of gRPC: no gap between priorities, no locality twice, no address twice, literal addresses. */
export function readEndpoints(bytes: Uint8Array): ReadResource<EndpointFacts> {
  const { clusterName, endpoints, policy } = fromBinary(ClusterLoadAssignmentSchema, bytes);
  const errors: string[] = [];
  const seen = new Set<string>();
  const localities = endpoints.map((each, index) => readLocality(each, `endpoints[${index}]`, seen, errors));
  const weights = new Map<number, number>();
  for (const { priority, weight } of localities) weights.set(priority, (weights.get(priority) ?? 0) + weight);
  for (const [priority, weight] of weights) {
    if (weight > maxWeight) errors.push(`the localities of priority ${priority} have weights that sum past uint32`);
    if (priority > 0 && !weights.has(priority - 1)) {
      errors.push(`there is a priority ${priority} but no ${priority - 1}`);
    }
  }
  const drops = (policy?.dropOverloads ?? []).map(({ category, dropPercentage }): DropFacts => {
    if (category === '') errors.push('a drop_overload has no category');
    const { numerator = 0, denominator = FractionalPercent_DenominatorType.HUNDRED } = dropPercentage ?? {};
    return { category, fraction: Math.min(1, numerator / (denominators[denominator] ?? 100)) };
  });
  return readAs(clusterName, { localities, drops }, errors);
}

const denominators: Readonly<Record<number, number>> = {
  [FractionalPercent_DenominatorType.HUNDRED]: 100,
  [FractionalPercent_DenominatorType.TEN_THOUSAND]: 10_000,
  [FractionalPercent_DenominatorType.MILLION]: 1_000_000,
};

function readLocality(
  { locality, lbEndpoints, loadBalancingWeight, priority }: LocalityLbEndpoints,
  at: string,
  seen: Set<string>,
  errors: string[],
): LocalityOfEndpoints {
  const { region = '', zone = '', subZone = '' } = locality ?? {};
  if (!locality) errors.push(`${at} has no locality`);
  once(`priority ${priority}, locality ${region}/${zone}/${subZone}`, at, seen, errors);
  const endpoints = lbEndpoints.map((each, index) => readEndpoint(each, `${at}.lb_endpoints[${index}]`, seen, errors));
  return { region, zone, subZone, priority, weight: loadBalancingWeight ?? 0, endpoints };
}

function readEndpoint(
  { hostIdentifier, healthStatus, loadBalancingWeight = 1, metadata }: LbEndpoint,
  at: string,
  seen: Set<string>,
  errors: string[],
): EndpointOfLocality {
  const endpoint = hostIdentifier.value;
  const addresses: Address[] = [];
  for (const message of [endpoint?.address, ...(endpoint?.additionalAddresses ?? []).map(({ address }) => address)]) {
    const address = addressOf(message);
    if (!address) errors.push(`${at} has no socket_address with a port of 1 to 65535`);
    else if (!isIPv4(address.host) && !isIPv6(address.host)) errors.push(`${at}: "${address.host}" is no IP address`);
    else {
      once(`address ${formatAddress(address)}`, at, seen, errors);
      addresses.push(address);
    }
  }
  if (loadBalancingWeight === 0) errors.push(`${at} has the load_balancing_weight 0`);
  return {
    addresses,
    hostname: endpoint?.hostname ?? '',
    health: healthStatus,
    weight: loadBalancingWeight,
    metadata: textsOf(metadata?.filterMetadata['envoy.lb'] ?? {}),
  };
}

/** Undefined when there is no address that can be dialled. */
export function addressOf(message: AddressMessage | undefined): Address | undefined {
  const socket = message?.address.value;
  if (!socket || socket.portSpecifier.case !== 'portValue' || socket.address === '') return undefined;
  const { value: port } = socket.portSpecifier;
  return port >= 1 && port <= 65_535 ? { host: socket.address, port } : undefined;
}

function once(what: string, at: string, seen: Set<string>, errors: string[]): void {
  if (seen.has(what)) errors.push(`${at} repeats ${what}`);
  seen.add(what);
}

function textsOf(struct: JsonObject): Record<string, string> {
  const scalars = Object.entries(struct).filter(([, value]) => value !== null && typeof value !== 'object');
  return Object.fromEntries(scalars.map(([key, value]) => [key, String(value)]));
}
