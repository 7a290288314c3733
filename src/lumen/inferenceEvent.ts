/** What happens to inferences, as their users see them: one each, however many calls and attempts it took. */

import type { FleetErrorCode } from '../core/errorCodes.js';
import type { FleetError } from '../core/fleetError.js';
import type { InferPart, InferResult } from './assembleParts.js';
import type { TextPart } from './textParts.js';
import type { Classification, Embedding, Faces, OcrText } from './typedResult.js';

/** One inference, as everybody who looks on knows it; what it asks to be worked on is not told. */
export interface InferenceInfo {
  /** Counts the inferences of the process. */
  readonly id: number;
  /** The names of its task, the preferred first. */
  readonly tasks: readonly string[];
  /** The model that was asked for. */
  readonly model: string | undefined;
  /** What else was asked for, such as `max_tokens`. */
  readonly meta: Readonly<Record<string, string>>;
  /** True when it is answered in parts. */
  readonly streamed: boolean;
  /** In milliseconds since the epoch. */
  readonly startedAt: number;
}

/** What inferences answer with; `node` is the id of the node that did. */
export type InferAnswer = InferResult | InferPart | TextPart | Embedding | Classification | OcrText | Faces;

interface OfInference {
  /** When, in milliseconds since the epoch, by the clock of the scheduler. */
  readonly at: number;
  /** One object for all events of an inference; its calls bear it as `options.partOf`. */
  readonly inference: InferenceInfo;
}

/** Somebody subscribed to an inference. */
export interface InferenceStarted extends OfInference {
  readonly type: 'inferenceStarted';
}

/** Its result came, or a part of it. */
export interface InferenceAnswered extends OfInference {
  readonly type: 'inferenceAnswered';
  readonly answer: InferAnswer;
  /** Since the subscription, in milliseconds. */
  readonly sinceMs: number;
}

/** It is over. */
export interface InferenceEnded extends OfInference {
  readonly type: 'inferenceEnded';
  /** `CANCELLED` when its user unsubscribed. */
  readonly code: FleetErrorCode | 'OK';
  readonly error: FleetError | undefined;
  /** From the subscription to the end, all calls and waits included. */
  readonly latencyMs: number;
  /** Results, or parts, that its user got. */
  readonly answers: number;
}

/** Told apart by `type`. */
export type InferenceEvent = InferenceStarted | InferenceAnswered | InferenceEnded;
