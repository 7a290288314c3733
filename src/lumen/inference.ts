/** One inference through the fleet: from a request of the user to whole, verified parts of an answer. */

import {
  catchError,
  defer,
  throwError,
  timeout,
  type BehaviorSubject,
  type Observable,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import type { CallOptions } from '../call/call.js';
import type { Resume } from '../call/resume.js';
import type { RetryOptions } from '../call/retryOptions.js';
import type { RpcOptions } from '../client/callSpec.js';
import type { Fleet } from '../client/fleet.js';
import { FleetError } from '../core/fleetError.js';
import { methodOf } from '../core/method.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import {
  Inference,
  type InferRequest as WireRequest,
  type InferResponse as WireResponse,
} from '../gen/lumen/inference_pb.js';
import { statusError } from './answerError.js';
import { assembleParts, type InferPart } from './assembleParts.js';
import {
  fitsOneMessage,
  requestMessages,
  resolveChunking,
  tooLarge,
  type ChunkOptions,
  type Chunking,
} from './chunking.js';
import { prepareRequest, type InferRequest, type PreparedRequest } from './inferRequest.js';
import { chosenTasks, offerOf, serviceFor, taskRequirement, type TaskDemand } from './taskRequirement.js';
import { untilOffered } from './untilOffered.js';

/** Options of one inference, or of all inferences of a client. */
export interface InferOptions extends RpcOptions {
  /**
   * Milliseconds until it must be over, all attempts and waits included. Default 30,000 for one result, 300,000 for an
   * answer in parts.
   */
  readonly deadlineMs?: number;
  /**
   * Milliseconds until a node must have answered, per attempt; else another node takes over. For one result that is the
   * whole result, for parts the first part. Default: only the deadline (and `partTimeoutMs`) limit it, so set it where
   * nodes may take a request and never answer.
   */
  readonly firstResponseTimeoutMs?: number;
  /**
   * When another node is tried. Default: up to 3 attempts, after `UNAVAILABLE`, `INTERNAL`, `UNKNOWN`, `DATA_LOSS`,
   * `CANCELLED` (by the node), `NOT_FOUND` (a node that offered the task and no longer has it), `BAD_RESPONSE` and
   * `BAD_SCHEMA`. Not after `RESOURCE_EXHAUSTED`, which here means a message or result past a size limit.
   */
  readonly retry?: RetryOptions | false;
  /**
   * Milliseconds that a node may take for its first message, and from one message to the next, of an answer in parts.
   * Before the first part another node takes over; after it the error is `DEADLINE_EXCEEDED`. Default 30,000.
   */
  readonly partTimeoutMs?: number;
  /** How large payloads are cut; `false` never cuts. */
  readonly chunk?: ChunkOptions | false;
  /** Most bytes that one result may have; past it the call fails with `RESOURCE_EXHAUSTED`. Default 268,435,456 (256 MiB). */
  readonly maxResultBytes?: number;
}

/** The defaults of the calls of a client, resolved. */
export interface InferenceDefaults extends InferOptions {
  readonly retry: RetryOptions | false;
  readonly singleMessageTasks: ReadonlySet<string>;
}

/** What inferences need of the client around them. */
export interface InferencePorts {
  readonly fleet: Pick<Fleet, 'call'> & { readonly nodes$: BehaviorSubject<NodeSet> };
  readonly defaults: InferenceDefaults;
  readonly newId: () => string;
  readonly scheduler: SchedulerLike;
  /** Told of a node that denied a task that it offers. */
  readonly denied: (id: string) => void;
}

/** How an inference goes on after a break, once it has spoken. */
export interface InferResumeOptions<R> {
  /** Default: not at all, since what was said would be said twice. */
  readonly resume?: Resume<InferRequest, R>;
}

/** What an inference answers with. */
export interface Shape<R> {
  /** From the parts of one attempt to what is emitted; what it has not emitted yet another node can still answer. */
  readonly of: OperatorFunction<InferPart, R>;
  /** Exactly one result? */
  readonly single: boolean;
}

/** Another node may do better after these. */
export const inferenceRetry: RetryOptions = {
  maxAttempts: 3,
  retryableCodes: [
    'UNAVAILABLE',
    'INTERNAL',
    'UNKNOWN',
    'DATA_LOSS',
    'CANCELLED',
    'NOT_FOUND',
    'BAD_RESPONSE',
    'BAD_SCHEMA',
  ],
};

const inferMethod = methodOf(Inference.method.infer);

/**
 * Cold: each subscription is an inference of its own. Checks the request before any node is asked; picks among the
 * nodes that offer the task; cuts the payload; verifies the answer; tries another node as long as nothing was emitted.
 */
export function inference<R>(
  ports: InferencePorts,
  request: InferRequest,
  { resume: strategy, ...options }: InferOptions & InferResumeOptions<R>,
  shape: Shape<R>,
): Observable<R> {
  return defer(() => {
    const { fleet, defaults, scheduler } = ports;
    const { singleMessageTasks } = defaults;
    const settings = resolveSettings(defaults, options, shape.single);
    const { chunking, call, partTimeoutMs, maxResultBytes } = settings;
    const prepared = prepareRequest(request, ports.newId);
    const { correlationId } = prepared;
    const { deadlineMs, retry } = call;
    const maxAttempts = retry && call.failover !== false ? (retry.maxAttempts ?? 3) : 1;

    const demand = demandOf(prepared, fleet.nodes$.value.nodes, chunking, singleMessageTasks);
    const requires = taskRequirement(demand, singleMessageTasks, call.requires);
    const offer = (node: Node) => {
      const found = offerOf(node, demand, singleMessageTasks);
      if (found) return found;
      throw new FleetError('UNAVAILABLE', `node ${node.id} no longer offers ${requires.name}`, { sent: false });
    };

    return untilOffered({ nodes$: fleet.nodes$, scheduler }, requires, { deadlineMs, maxAttempts }, (left) =>
      fleet.call<WireRequest, WireResponse, R, InferRequest>({
        ...call,
        deadlineMs: left.deadlineMs,
        retry: call.retry && { ...call.retry, maxAttempts: left.maxAttempts },
        requires,
        method: inferMethod,
        idempotent: true,
        single: shape.single,
        resume: strategy && { strategy, request },
        request: (node, rest) => {
          const found = offer(node);
          const whole = singleMessageTasks.has(found.task.name) && !demand.inPieces;
          const asked =
            strategy && rest !== request ? prepareRequest({ ...rest, correlationId }, ports.newId) : prepared;
          return requestMessages(envelopeFor(asked, node, found), chunking, whole);
        },
        answers: (message$, node) => {
          const task = offer(node).task.name;
          return message$.pipe(
            catchError((thrown: unknown) => {
              const error = statusError(thrown);
              if (error.code === 'NOT_FOUND') ports.denied(node.id);
              return throwError(() => error);
            }),
            steady<WireResponse>(partTimeoutMs, node.id, scheduler),
            assembleParts({ node: node.id, task, correlationId, maxResultBytes }),
            shape.of,
          );
        },
      }),
    );
  });
}

interface Settings {
  readonly chunking: Chunking;
  readonly call: CallOptions & { readonly deadlineMs: number; readonly retry: RetryOptions | false };
  readonly partTimeoutMs: number;
  readonly maxResultBytes: number;
}

function resolveSettings(defaults: InferenceDefaults, options: InferOptions, single: boolean): Settings {
  const { singleMessageTasks: _, ...base } = defaults;
  const { chunk, partTimeoutMs, maxResultBytes, ...call } = { ...base, ...given(options) };
  const retry = call.retry === false ? false : { ...inferenceRetry, ...(defaults.retry || {}), ...call.retry };
  return {
    chunking: resolveChunking(chunk),
    call: { ...call, retry, deadlineMs: call.deadlineMs ?? (single ? 30_000 : 300_000) },
    partTimeoutMs: single ? (partTimeoutMs ?? Infinity) : (partTimeoutMs ?? 30_000),
    maxResultBytes: maxResultBytes ?? 268_435_456,
  };
}

/**
 * Refuses senseless options where they are given.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function checkInferOptions({ chunk, partTimeoutMs, maxResultBytes }: InferOptions): void {
  resolveChunking(chunk);
  const ms = partTimeoutMs ?? Infinity;
  requireOption(
    ms === Infinity || (ms > 0 && ms < 2 ** 31),
    'partTimeoutMs',
    'above 0 and under 2^31, or Infinity',
    ms,
  );
  requireOption(maxResultBytes === undefined || maxResultBytes >= 1, 'maxResultBytes', 'at least 1', maxResultBytes);
}

/** Without the fields that are there but undefined, so that they do not hide a default. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function demandOf(
  prepared: PreparedRequest,
  nodes: readonly Node[],
  chunking: Chunking,
  singleMessage: ReadonlySet<string>,
): TaskDemand {
  const { model, service, tasks } = prepared;
  const names = chosenTasks(nodes, { tasks, model, service });
  const longest = names.reduce((a, b) => (a.length > b.length ? a : b));
  // A service name that is filled in later takes some room too.
  const envelope = { ...prepared, task: longest, meta: { ...prepared.meta, reserve: ' '.repeat(256) } };
  const large = !fitsOneMessage(envelope, chunking);
  if (large && chunking.thresholdBytes === Infinity) throw tooLarge(envelope, chunking);
  return { tasks: names, model, service, inPieces: large && names.some((name) => singleMessage.has(name)) };
}

function envelopeFor(prepared: PreparedRequest, node: Node, offer: NonNullable<ReturnType<typeof offerOf>>) {
  const { correlationId, mime, payload, tensor } = prepared;
  const service = prepared.service ?? serviceFor(node, offer);
  const preprocess = tensor && (tensor.preprocessId ?? offer.task.tensorPreprocessId);
  const meta = {
    ...prepared.meta,
    ...(service ? { service } : {}),
    ...(preprocess ? { 'lumen.preprocess.id': preprocess } : {}),
  };
  return { correlationId, task: offer.task.name, mime, meta, payload };
}

/** Fails when the node is silent for too long: before its first message so that another takes over, after it for good. */
function steady<T>(ms: number, node: string, scheduler: SchedulerLike): OperatorFunction<T, T> {
  if (ms === Infinity) return (source) => source;
  return timeout({
    each: ms,
    scheduler,
    with: ({ seen }) =>
      throwError(() =>
        seen === 0
          ? new FleetError('UNAVAILABLE', `node ${node} gave no answer within ${ms} ms (partTimeoutMs)`, { node })
          : new FleetError(
              'DEADLINE_EXCEEDED',
              `node ${node} fell silent for ${ms} ms amid its answer (partTimeoutMs)`,
              { node },
            ),
      ),
  });
}
