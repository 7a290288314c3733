/**
 * What the conventions say, written down a second time, from the sources: gRFCs A66, A78, A91, A94, A96 and A72
 * (https://github.com/grpc/proposal), and the GenAI conventions as of semantic conventions 1.41.0.
 */

export interface MetricRow {
  readonly source: string;
  readonly name: string;
  /** As the table of the source names it. */
  readonly type: 'counter' | 'updown counter' | 'gauge' | 'histogram';
  readonly unit: string;
  /** Those that each series has. */
  readonly required: readonly string[];
  /** Those that it may have besides. */
  readonly optional: readonly string[];
  readonly buckets?: readonly number[];
  readonly onByDefault: boolean;
}

const latency = [
  0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013,
  0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10,
  20, 50, 100,
];
const size = [
  0, 1024, 2048, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864, 268435456, 1073741824, 4294967296,
];
const genAiSeconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const genAiTokens = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

/** `name type unit`, the attributes, and the buckets. */
type Line = readonly [what: string, required: string, buckets?: readonly number[]];

function table(
  source: string,
  onByDefault: boolean,
  optional: readonly string[],
  lines: readonly Line[],
): readonly MetricRow[] {
  return lines.map(([what, required, buckets]) => {
    const [name, type, unit] = what.split(' | ') as [string, MetricRow['type'], string];
    return { source, name, type, unit, required: required.split(' ').filter(Boolean), optional, buckets, onByDefault };
  });
}

const ofNode = ['grpc.lb.locality', 'grpc.lb.backend_service', 'rxfleet.node.id'];
const method = 'grpc.method grpc.target';
const xdsUpdate = 'grpc.target grpc.xds.server grpc.xds.resource_type';
const xdsResource = 'grpc.target grpc.xds.authority grpc.xds.cache_state grpc.xds.resource_type';
// The gRFC leaves them to the SDK.
const weights = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];
const genAi = 'gen_ai.operation.name gen_ai.provider.name';
const models = ['gen_ai.request.model', 'gen_ai.response.model', 'server.address', 'server.port'];
const detected = 'grpc.target grpc.lb.outlier_detection.detection_method';

export const standardMetrics: readonly MetricRow[] = [
  ...table('A66', true, [], [['grpc.client.attempt.started | counter | {attempt}', method]]),
  ...table('A66, A78, A89', true, ofNode, [
    ['grpc.client.attempt.duration | histogram | s', `${method} grpc.status`, latency],
    ['grpc.client.attempt.sent_total_compressed_message_size | histogram | By', `${method} grpc.status`, size],
    ['grpc.client.attempt.rcvd_total_compressed_message_size | histogram | By', `${method} grpc.status`, size],
  ]),
  ...table('A66', true, [], [['grpc.client.call.duration | histogram | s', `${method} grpc.status`, latency]]),
  ...table(
    'A96',
    false,
    [],
    [
      ['grpc.client.call.retries | histogram | {retry}', method, [1, 2, 3, 4, 5]],
      ['grpc.client.call.transparent_retries | histogram | {transparent_retry}', method, [1, 2, 3, 4, 5, 10]],
      ['grpc.client.call.hedges | histogram | {hedge}', method, [1, 2, 3, 4, 5]],
      ['grpc.client.call.retry_delay | histogram | s', method, latency],
    ],
  ),
  ...table('A94', false, ofNode, [
    ['grpc.subchannel.connection_attempts_succeeded | counter | {attempt}', 'grpc.target'],
    ['grpc.subchannel.connection_attempts_failed | counter | {attempt}', 'grpc.target'],
    ['grpc.subchannel.open_connections | updown counter | {connection}', 'grpc.target'],
  ]),
  ...table(
    'A94',
    false,
    [...ofNode, 'grpc.disconnect_error'],
    [['grpc.subchannel.disconnections | counter | {disconnection}', 'grpc.target']],
  ),
  ...table('A91', false, ofNode, [
    ['grpc.lb.outlier_detection.ejections_enforced | counter | {ejection}', detected],
    [
      'grpc.lb.outlier_detection.ejections_unenforced | counter | {ejection}',
      `${detected} grpc.lb.outlier_detection.unenforced_reason`,
    ],
  ]),
  ...table('A78', false, ofNode, [
    ['grpc.lb.wrr.rr_fallback | counter | {update}', 'grpc.target'],
    ['grpc.lb.wrr.endpoint_weight_not_yet_usable | counter | {endpoint}', 'grpc.target'],
    ['grpc.lb.wrr.endpoint_weight_stale | counter | {endpoint}', 'grpc.target'],
    ['grpc.lb.wrr.endpoint_weights | histogram | {weight}', 'grpc.target', weights],
  ]),
  ...table(
    'A78',
    false,
    [],
    [
      ['grpc.lb.pick_first.disconnections | counter | {disconnection}', 'grpc.target'],
      ['grpc.lb.pick_first.connection_attempts_succeeded | counter | {attempt}', 'grpc.target'],
      ['grpc.lb.pick_first.connection_attempts_failed | counter | {attempt}', 'grpc.target'],
      ['grpc.xds_client.connected | gauge | {bool}', 'grpc.target grpc.xds.server'],
      ['grpc.xds_client.server_failure | counter | {failure}', 'grpc.target grpc.xds.server'],
      ['grpc.xds_client.resource_updates_valid | counter | {resource}', xdsUpdate],
      ['grpc.xds_client.resource_updates_invalid | counter | {resource}', xdsUpdate],
      ['grpc.xds_client.resources | gauge | {resource}', xdsResource],
    ],
  ),
  ...table(
    'GenAI',
    true,
    [...models, 'error.type'],
    [['gen_ai.client.operation.duration | histogram | s', genAi, genAiSeconds]],
  ),
  ...table('GenAI', true, models, [
    ['gen_ai.client.operation.time_to_first_chunk | histogram | s', genAi, genAiSeconds],
    ['gen_ai.client.operation.time_per_output_chunk | histogram | s', genAi, genAiSeconds],
    ['gen_ai.client.token.usage | histogram | {token}', `${genAi} gen_ai.token.type`, genAiTokens],
  ]),
];

/** Of rxfleet itself: what they may be called is ours to say, and what others build on once it is said. */
export const ownMetrics: readonly MetricRow[] = table(
  'rxfleet',
  true,
  [],
  [
    ['rxfleet.client.nodes | updown counter | {node}', 'grpc.target rxfleet.node.state'],
    ['rxfleet.client.discovery.staleness | gauge | s', 'grpc.target'],
    [
      'rxfleet.client.discovery.events | counter | {event}',
      'grpc.target rxfleet.discovery.source rxfleet.discovery.event',
    ],
    ['rxfleet.client.panic | gauge | 1', 'grpc.target'],
    ['rxfleet.client.call.active | updown counter | {call}', method],
    ['rxfleet.client.call.time_to_first_message | histogram | s', method, latency],
    ['rxfleet.client.call.errors | counter | {call}', `${method} error.type`],
    ['rxfleet.client.call.failovers | counter | {failover}', method],
    ['rxfleet.client.call.retry_refusals | counter | {refusal}', `${method} rxfleet.retry.refusal_reason`],
    ['rxfleet.client.call.resumes | counter | {resume}', `${method} rxfleet.resume.continuity`],
    ['rxfleet.client.call.stalls | counter | {stall}', method],
    ['rxfleet.client.limiter.calls | counter | {call}', 'grpc.target rxfleet.limiter.name rxfleet.limiter.result'],
    ['rxfleet.client.limiter.wait_duration | histogram | s', 'grpc.target rxfleet.limiter.name', latency],
    ['rxfleet.client.breakers | updown counter | {breaker}', 'grpc.target rxfleet.breaker.state'],
    ['rxfleet.client.breaker.transitions | counter | {transition}', 'grpc.target rxfleet.breaker.state'],
  ],
);

/** What A72 says of the spans of a client. */
export const spanTable = {
  call: { prefix: 'Sent.', events: ['Delayed name resolution complete'] },
  attempt: {
    prefix: 'Attempt.',
    attributes: ['previous-rpc-attempts', 'transparent-retry'],
    events: ['Delayed LB pick complete', 'Outbound message', 'Inbound message'],
    messageAttributes: ['sequence-number', 'message-size'],
  },
} as const;

/** Of the RPC conventions, version 1.45.0, for the span of a call with gRPC. */
export const rpcAttributes = ['rpc.system.name', 'rpc.method', 'rpc.status_code', 'server.address'] as const;
