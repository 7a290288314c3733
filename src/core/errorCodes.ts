/** The one table of error codes: what each means, who is to blame, and what to do. */

/**
 * Who a failure is charged to: the `node`, the `network` between, the `request` itself (it would fail anywhere),
 * or the `caller` (who cancelled, or gave a senseless option).
 */
export type Blame = 'node' | 'network' | 'request' | 'caller';

interface ErrorCodeEntry {
  /** What happened, in a sentence. */
  readonly meaning: string;
  /** What a reader of the error can do about it. */
  readonly remedy: string;
  readonly blame: Blame;
  /** True when another attempt, on another node, may succeed and is tried by default where it is safe. */
  readonly retryable: boolean;
}

const entry = (meaning: string, remedy: string, blame: Blame, retryable = false): ErrorCodeEntry => ({
  meaning,
  remedy,
  blame,
  retryable,
});

/**
 * Every `FleetError.code`. The first sixteen are gRPC's status names
 * (https://grpc.io/docs/guides/status-codes/); the rest are the client's own.
 */
export const errorCodes = {
  CANCELLED: entry('the call was cancelled', 'nothing, if you unsubscribed; else see who aborted it', 'caller'),
  UNKNOWN: entry('the node failed without saying why', 'look at the log of the node', 'node'),
  INVALID_ARGUMENT: entry('the node refused the request as malformed', 'correct the request', 'request'),
  DEADLINE_EXCEEDED: entry('no answer within the deadline', 'raise deadlineMs, or look why the node is slow', 'node'),
  NOT_FOUND: entry('what was asked for does not exist', 'check the names in the request', 'request'),
  ALREADY_EXISTS: entry('what was to be created exists', 'use another name, or take what exists', 'request'),
  PERMISSION_DENIED: entry('the credential does not allow this', 'ask for the permission', 'request'),
  RESOURCE_EXHAUSTED: entry('a quota, a queue or a size limit is used up', 'send less, or raise the limit', 'node'),
  FAILED_PRECONDITION: entry('the node is not in a state to do this', 'bring it into that state first', 'request'),
  ABORTED: entry('the operation was aborted by a conflict', 'repeat the whole transaction', 'request'),
  OUT_OF_RANGE: entry('a value or a message is past its range', 'send a smaller one', 'request'),
  UNIMPLEMENTED: entry('the node does not know this method', 'check the version of the node', 'request'),
  INTERNAL: entry('the node broke an invariant of its own', 'look at the log of the node', 'node'),
  UNAVAILABLE: entry(
    'the node cannot be reached or is not ready',
    'check that it runs and is reachable',
    'network',
    true,
  ),
  DATA_LOSS: entry('data was lost or corrupted', 'look at the log of the node', 'node'),
  UNAUTHENTICATED: entry('the credential is missing or refused', 'renew the credential', 'request'),

  NO_NODES: entry(
    'discovery knows no node that can serve',
    'start a node, or check discovery and the health of the nodes',
    'network',
  ),
  NO_NODE_FOR_TASK: entry('no node offers what the call requires', 'check the task and the model asked for', 'request'),
  CIRCUIT_OPEN: entry(
    'every node that could take the call is shut by its circuit breaker, after too many failures',
    'wait for cooldownMs, and look why the nodes fail',
    'network',
  ),
  RATE_LIMITED: entry(
    'a rate limit of this client would be passed, or the wait for it would be too long',
    'call less often, or raise the limit or its maxWaitMs',
    'caller',
  ),
  CONCURRENCY_LIMITED: entry(
    'as many calls run as the concurrency limit of this client allows, and there is no place or no time to wait',
    'call less at once, raise the limit or its queue, or give a later deadline',
    'caller',
  ),
  BAD_RESPONSE: entry(
    'the answer breaks the protocol: a gap, a repeat, a foreign id, an unreadable or a missing message',
    'look at the node: it or something between alters its answers',
    'node',
  ),
  BAD_SCHEMA: entry(
    'the result is not of the schema that was expected; its raw bytes are on the error',
    'read the bytes by hand, or use infer() instead of the typed helper',
    'node',
  ),
  INVALID_OPTION: entry('an option is senseless', 'correct the option that the message names', 'caller'),
  DISCOVERY_FAILED: entry('discovery cannot work as configured', 'correct its configuration', 'caller'),
  CLOSED: entry('the client was closed', 'create a new one', 'caller'),
} as const satisfies Record<string, ErrorCodeEntry>;

/** The stable code of a `FleetError`. */
export type FleetErrorCode = keyof typeof errorCodes;

/** The status names of gRPC by their number; index 0 is `OK`. */
export const grpcStatusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** The outcome of a call on the wire: `OK` or one of gRPC's error names. */
export type StatusName = (typeof grpcStatusNames)[number];

/** The client's own codes as the nearest of gRPC's. */
const nearest: Partial<Record<FleetErrorCode | 'OK', StatusName>> = {
  NO_NODES: 'UNAVAILABLE',
  NO_NODE_FOR_TASK: 'UNIMPLEMENTED',
  CIRCUIT_OPEN: 'UNAVAILABLE',
  RATE_LIMITED: 'RESOURCE_EXHAUSTED',
  CONCURRENCY_LIMITED: 'RESOURCE_EXHAUSTED',
  BAD_RESPONSE: 'INTERNAL',
  BAD_SCHEMA: 'INTERNAL',
  INVALID_OPTION: 'INVALID_ARGUMENT',
  DISCOVERY_FAILED: 'UNAVAILABLE',
  CLOSED: 'CANCELLED',
};

/** A code for those who know only gRPC's: itself if it is one, else the nearest. */
export function grpcStatusOf(code: FleetErrorCode | 'OK'): StatusName {
  return nearest[code] ?? (code as StatusName);
}
