/** The Lumen client: everything a user holds to infer over whatever nodes the network has. */

import { catchError, EMPTY, endWith, ignoreElements, map, merge, Subject, takeUntil } from 'rxjs';
import type { BehaviorSubject, Observable, OperatorFunction } from 'rxjs';
import type { CloseOptions } from '../client/engineOptions.js';
import type { ReadyOptions } from '../client/ready.js';
import { createFleet, type Fleet } from '../client/fleet.js';
import type { FleetEvent } from '../client/fleetEvent.js';
import type { FleetSnapshot } from '../client/fleetSnapshot.js';
import type { Capability } from '../core/capability.js';
import type { Node } from '../core/node.js';
import type { NodeChanges, NodeSet } from '../core/nodeSet.js';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import { stopwatchOf } from '../core/stopwatch.js';
import { finalResult, type InferPart, type InferResult } from './assembleParts.js';
import { balancerStats, type BalancerStats } from './balancerStats.js';
import { checkInferOptions, inference } from './inference.js';
import type { InferOptions, InferResumeOptions, Shape } from './inference.js';
import type { InferenceEvent } from './inferenceEvent.js';
import { createInferMeter, type InferMetrics } from './inferMeter.js';
import { resolveLumenOptions, type LumenClientOptions } from './lumenClientOptions.js';
import type { InferRequest } from './inferRequest.js';
import { classificationOf, embeddingOf, facesOf, ocrTextOf } from './typedResult.js';
import type { Classification, Embedding, Faces, OcrText } from './typedResult.js';
import { runAll, type BatchItem, type BatchSource } from './runAll.js';
import { askNode, supervise } from './supervise.js';
import { textParts, type TextPart } from './textParts.js';
import { watchedInference } from './watchedInference.js';

/** Options of a typed call: those of an inference, and what its request may say besides the payload. */
export interface TaskOptions extends InferOptions, Pick<InferRequest, 'model' | 'service' | 'meta' | 'correlationId'> {
  /** The name of the task. Default: the first of the usual names that some node offers. */
  readonly task?: string | readonly string[];
}

export interface GenerateTextOptions extends TaskOptions, InferResumeOptions<TextPart> {
  /** Most tokens to generate; goes as meta `max_tokens`. Default: what the node does by itself. */
  readonly maxTokens?: number;
  /** How freely it chooses, from 0; goes as meta `temperature`. */
  readonly temperature?: number;
  /** Equal seeds give equal texts, on nodes that can; goes as meta `seed`. */
  readonly seed?: number;
}

export interface InferAllOptions extends InferOptions {
  /** Requests in flight at once. Default 16. */
  readonly concurrency?: number;
}

/** See `createLumenClient`. Every method returns a cold Observable: each subscription is a call, unsubscribing cancels it. */
export interface LumenClient {
  /** Emits the node set once some node takes calls. Errors with `NO_NODES`, and what became of each node, when none does in time. */
  ready(options?: ReadyOptions): Observable<NodeSet>;

  /** One request, one whole, verified result. */
  infer(request: InferRequest, options?: InferOptions): Observable<InferResult>;
  /**
   * One request, its parts as they come; the last is `final`. A part that comes in chunks is emitted when it is whole.
   * Another node takes over only as long as there was no part, unless a `resume` strategy says how to go on.
   */
  inferStream(request: InferRequest, options?: InferOptions & InferResumeOptions<InferPart>): Observable<InferPart>;
  /**
   * Many requests, at most `concurrency` at once: each as it finishes, with its result or its error, and how far all
   * have come. Lists, generators and AsyncIterables are asked for more only as fast as nodes answer.
   */
  inferAll<Q extends InferRequest>(
    requests: BatchSource<Q>,
    options?: InferAllOptions,
  ): Observable<BatchItem<Q, InferResult>>;

  /** The meaning of a text as a vector. */
  embedText(text: string, options?: TaskOptions): Observable<Embedding>;
  /** The meaning of a picture as a vector. */
  embedImage(image: Uint8Array, mime: string, options?: TaskOptions): Observable<Embedding>;
  /** What a picture shows. */
  classify(image: Uint8Array, mime: string, options?: TaskOptions): Observable<Classification>;
  /** The text in a picture. */
  ocr(image: Uint8Array, mime: string, options?: TaskOptions): Observable<OcrText>;
  /** The faces in a picture. */
  recognizeFaces(image: Uint8Array, mime: string, options?: TaskOptions): Observable<Faces>;
  /** A text that goes on from a prompt, piece by piece. With `resume: continueText()` another node finishes it. */
  generateText(prompt: string, options?: GenerateTextOptions): Observable<TextPart>;

  /** The name under which discovery looks for the nodes. Tells several clients apart. */
  readonly service: string;
  /** The world now, then each change. */
  readonly nodes$: BehaviorSubject<NodeSet>;
  /** What each new snapshot changed. */
  readonly changes$: Observable<NodeChanges>;
  /** One node as it is, then each new form of it, with its capabilities, models and live `stats`. */
  node$(id: string): Observable<Node>;
  /** Asks one node, now, what it can do. */
  capabilities(id: string): Observable<readonly Capability[]>;
  /** How the inferences go: as it is now, then after each and each second. */
  readonly metrics$: Observable<InferMetrics>;
  /** The same, as it is now. */
  readonly metrics: InferMetrics;
  /** What the balancer does: as it is now, then with each node set and each second. */
  readonly balancerStats$: Observable<BalancerStats>;
  /** Everything that happens to inferences, and all that happens in the fleet beneath. Costs nothing while nobody listens. */
  readonly events$: Observable<FleetEvent | InferenceEvent>;
  /** What the fleet beneath stands at: its calls, nodes and policies. */
  snapshot(): FleetSnapshot;
  /** Each attempt on a node, as it ends. */
  readonly outcomes$: Observable<NodeOutcome>;
  /** The fleet beneath, for other services of the same nodes. */
  readonly fleet: Fleet;

  /** Takes no new calls, waits for those in flight up to `drainMs` (default 5,000), and ends everything. */
  close(options?: CloseOptions): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The names that nodes give to one kind of work, those of the hub first. */
export const taskNames = {
  embedText: ['semantic_text_embed', 'clip_text_embed', 'smartclip_text_embed'],
  embedImage: ['semantic_image_embed', 'clip_image_embed', 'smartclip_image_embed'],
  classify: ['bioclip_classify', 'clip_classify', 'smartclip_classify', 'clip_scene_classify'],
  ocr: ['ocr'],
  recognizeFaces: ['face_recognition', 'face_detect_and_embed', 'face_detect'],
  generateText: ['text_generation', 'vlm_generate_stream', 'vlm_generate'],
} as const;

const whole: Shape<InferResult> = { of: finalResult(), single: true };
const parts: Shape<InferPart> = { of: (part$) => part$, single: false };
const texts: Shape<TextPart> = { of: textParts(), single: false };
const typed = <R>(read: (result: InferResult) => R): Shape<R> => ({
  of: (part$) => part$.pipe(finalResult(), map(read)),
  single: true,
});
const embedding = typed(embeddingOf);
const classification = typed(classificationOf);
const ocrText = typed(ocrTextOf);
const faces = typed(facesOf);

/**
 * Starts to find Lumen nodes and to ask them what they can do, until `close()`.
 *
 * ```ts
 * await using lumen = createLumenClient();
 * lumen.generateText('Once upon a time').subscribe(({ text }) => process.stdout.write(text));
 * const { vector } = await firstValueFrom(lumen.embedText('a red bicycle'));
 * ```
 *
 * A call goes to a node that is connected, compatible and offers its task; while such a node is only being dialled, asked
 * or down for a moment, the call waits within its deadline; where no node offers the task it fails at once and names
 * the tasks that there are.
 *
 * @throws FleetError `INVALID_OPTION`, naming the option.
 */
export function createLumenClient(options: LumenClientOptions = {}): LumenClient {
  const { fleet: fleetOptions, balancer, defaults, newId, scheduler, ...resolved } = resolveLumenOptions(options);
  const meter = createInferMeter({ windowMs: resolved.metricsWindowMs, scheduler });
  const again$ = new Subject<string>();
  const fleet = createFleet(fleetOptions);
  const { nodes$ } = fleet;
  const closed$ = nodes$.pipe(
    ignoreElements(),
    catchError(() => EMPTY),
    endWith(true),
  );
  const care = supervise(fleet, {
    handshake: { ...resolved.handshake, again$ },
    cooldown: resolved.cooldown,
    scheduler,
  }).subscribe();

  const ports = { fleet, defaults, newId, scheduler, denied: (id: string) => again$.next(id) };
  const events = new Subject<InferenceEvent>();
  const watching = { events, now: () => scheduler.now(), clock: stopwatchOf(scheduler) };
  const run = <R>(request: InferRequest, own: InferOptions & InferResumeOptions<R>, shape: Shape<R>): Observable<R> => {
    checkInferOptions(own);
    return watchedInference(watching, request, shape.single, (partOf) =>
      inference(ports, request, partOf ? { ...own, partOf } : own, shape),
    ).pipe(meter.measure<R>(shape.single) as OperatorFunction<R, R>);
  };
  const work = <R>(
    kind: keyof typeof taskNames,
    input: Pick<InferRequest, 'payload' | 'mime'>,
    { task = taskNames[kind], model, service, meta, correlationId, ...own }: TaskOptions & InferResumeOptions<R>,
    shape: Shape<R>,
  ) => run({ task, model, service, meta, correlationId, ...input }, own, shape);
  const close = async (closeOptions?: CloseOptions) => {
    await fleet.close(closeOptions);
    care.unsubscribe();
  };

  return {
    service: fleet.service,
    nodes$,
    fleet,
    events$: merge(fleet.events$, events.pipe(takeUntil(closed$))),
    snapshot: () => fleet.snapshot(),
    changes$: fleet.changes$,
    outcomes$: fleet.outcomes$,
    metrics$: meter.metrics$.pipe(takeUntil(closed$)),
    balancerStats$: balancerStats(balancer, nodes$, scheduler).pipe(takeUntil(closed$)),
    get metrics() {
      return meter.metrics;
    },
    node$: (id) => fleet.node$(id),
    capabilities: (id) => askNode(fleet, id, scheduler, resolved.handshake.capabilityTimeoutMs),

    ready: (waiting) => fleet.ready(waiting),

    infer: (request, own = {}) => run(request, own, whole),
    inferStream: (request, own = {}) => run(request, own, parts),
    inferAll: (requests, { concurrency = 16, ...own } = {}) =>
      runAll(requests, (request) => run(request, own, whole), concurrency),

    embedText: (payload, own = {}) => work('embedText', { payload, mime: 'text/plain' }, own, embedding),
    embedImage: (payload, mime, own = {}) => work('embedImage', { payload, mime }, own, embedding),
    classify: (payload, mime, own = {}) => work('classify', { payload, mime }, own, classification),
    ocr: (payload, mime, own = {}) => work('ocr', { payload, mime }, own, ocrText),
    recognizeFaces: (payload, mime, own = {}) => work('recognizeFaces', { payload, mime }, own, faces),
    generateText: (payload, { maxTokens, temperature, seed, meta, ...own } = {}) =>
      work(
        'generateText',
        { payload, mime: 'text/plain' },
        {
          ...own,
          meta: {
            ...meta,
            ...(maxTokens === undefined ? {} : { max_tokens: String(maxTokens) }),
            ...(temperature === undefined ? {} : { temperature: String(temperature) }),
            ...(seed === undefined ? {} : { seed: String(seed) }),
          },
        },
        texts,
      ),

    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
