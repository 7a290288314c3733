/** The two forms of the xDS protocol: the state of the world, and increments. */

import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { methodOf, type Method } from '../../core/method.js';
import type { Node as NodeMessage } from '../../gen/envoy/core_pb.js';
import {
  AggregatedDiscoveryService,
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from '../../gen/envoy/discovery_pb.js';

/** What a request says of one type of resources, in either form. */
export interface Asking {
  readonly typeUrl: string;
  /** All that is wanted. */
  readonly names: ReadonlySet<string>;
  /** What was wanted before on this stream; undefined for the first request of this type. */
  readonly before: ReadonlySet<string> | undefined;
  /** Of the answer that this one replies to, or the last one. */
  readonly nonce: string;
  /** True when it replies to an answer. */
  readonly reply: boolean;
  /** Why that answer is refused; undefined when it is accepted. */
  readonly error: string | undefined;
  /** The version of the last answer that was accepted whole. */
  readonly version: string;
  /** The version of each resource that is known. */
  readonly versions: Readonly<Record<string, string>>;
  /** Given with the first request of a stream. */
  readonly node: NodeMessage | undefined;
}

/** An answer, in either form. */
export interface Answer {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly { readonly resource: Any; readonly version: string }[];
  /** The names of what does not exist, or not any more. */
  readonly removed: readonly string[];
}

export interface Dialect<I, O> {
  readonly method: Method<I, O>;
  /** True when an answer lists all there is of some kinds. */
  readonly listsWhole: boolean;
  ask(asking: Asking): I;
  read(answer: O): Answer;
}

/** gRPC code `INVALID_ARGUMENT`, as xDS clients send it with a refusal. */
const invalidArgument = 3;

const refusal = (error: string | undefined) =>
  error === undefined ? {} : { errorDetail: { code: invalidArgument, message: error } };

/** Each request names all that is wanted. */
export const stateOfTheWorld: Dialect<DiscoveryRequest, DiscoveryResponse> = {
  method: methodOf(AggregatedDiscoveryService.method.streamAggregatedResources),
  listsWhole: true,
  ask: ({ typeUrl, names, nonce, error, version, node }) =>
    create(DiscoveryRequestSchema, {
      ...{ typeUrl, resourceNames: [...names], responseNonce: nonce, versionInfo: version },
      ...refusal(error),
      ...(node ? { node } : {}),
    }),
  read: ({ typeUrl, nonce, versionInfo, resources }) => ({
    ...{ typeUrl, nonce, version: versionInfo, removed: [] },
    resources: resources.map((resource) => ({ resource, version: versionInfo })),
  }),
};

/** Each request names what is wanted more or less than before; each answer holds what changed. */
export const increments: Dialect<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
  method: methodOf(AggregatedDiscoveryService.method.deltaAggregatedResources),
  listsWhole: false,
  ask: ({ typeUrl, names, before, nonce, reply, error, versions, node }) =>
    create(DeltaDiscoveryRequestSchema, {
      typeUrl,
      resourceNamesSubscribe: [...names].filter((name) => !before?.has(name)),
      resourceNamesUnsubscribe: [...(before ?? [])].filter((name) => !names.has(name)),
      ...(before ? {} : { initialResourceVersions: { ...versions } }),
      // A nonce stands for a reply: it is sent once.
      ...(reply ? { responseNonce: nonce } : {}),
      ...refusal(error),
      ...(node ? { node } : {}),
    }),
  read: ({ typeUrl, nonce, systemVersionInfo, resources, removedResources }) => ({
    ...{ typeUrl, nonce, version: systemVersionInfo, removed: removedResources },
    resources: resources.flatMap(({ resource, version }) => (resource ? [{ resource, version }] : [])),
  }),
};
