/** Puts the messages of a request together. Hub and Python servers do it by different rules. */

import { FleetError } from '../../core/fleetError.js';
import type { InferRequest } from '../../gen/lumen/inference_pb.js';

/** A request, whole. */
export interface WholeRequest {
  readonly correlationId: string;
  readonly task: string;
  readonly mime: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
  /** How many messages it came in. */
  readonly messages: number;
}

/**
 * The hub's way: all messages of a stream are one request. They must agree in everything but their bytes, and be as
 * many as they say (a total of 0 says nothing). They are put in order of `seq`, or of `offset` and then `seq` when any
 * has an offset; gaps and repeats are not looked for.
 *
 * @throws FleetError `INVALID_ARGUMENT`
 */
export function assembleRequest(messages: readonly InferRequest[]): WholeRequest {
  const [first] = messages;
  if (!first) throw invalid('the stream ended without a request');
  if (first.task === '') throw invalid('task is required');
  if (first.payloadMime === '') throw invalid('payload_mime is required');
  for (const message of messages) {
    if (message.task !== first.task) throw invalid('task differs between chunks');
    if (message.correlationId !== first.correlationId) throw invalid('correlation_id differs between chunks');
    if (message.payloadMime !== first.payloadMime) throw invalid('payload_mime differs between chunks');
    if (!sameMeta(message.meta, first.meta)) throw invalid('meta differs between chunks');
    if (message.total !== first.total) throw invalid('total differs between chunks');
  }
  if (first.total !== 0n && first.total !== BigInt(messages.length)) {
    throw invalid(`expected ${first.total} chunks, got ${messages.length}`);
  }
  const byOffset = messages.some(({ offset }) => offset !== 0n);
  const inOrder = [...messages].sort((a, b) => (byOffset ? compare(a.offset, b.offset) : 0) || compare(a.seq, b.seq));
  return wholeOf(first, inOrder);
}

/** A request of these messages, in their order. */
export function wholeOf(head: InferRequest, messages: readonly InferRequest[]): WholeRequest {
  const { correlationId, task, payloadMime: mime, meta } = head;
  const payload =
    messages.length === 1 ? messages[0]!.payload : Buffer.concat(messages.map((message) => message.payload));
  return { correlationId, task, mime, meta, payload, messages: messages.length };
}

function sameMeta(a: InferRequest['meta'], b: InferRequest['meta']): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function invalid(message: string): FleetError {
  return new FleetError('INVALID_ARGUMENT', message);
}
