/** `rxfleet/lumen`: inference over Lumen nodes. */

// The client
export { createLumenClient, taskNames } from './createLumenClient.js';
export type { GenerateTextOptions, InferAllOptions, LumenClient, TaskOptions } from './createLumenClient.js';
export type { LumenClientOptions } from './lumenClientOptions.js';
export { lumenPresets } from './lumenPresets.js';
export type { LumenPreset, PresetNumbers } from './lumenPresets.js';

// Requests and results
export type { InferRequest } from './inferRequest.js';
export type { TensorInput } from './tensorInput.js';
export type { InferOptions, InferResumeOptions } from './inference.js';
export type { InferPart, InferResult } from './assembleParts.js';
export type { Classification, Embedding, Face, Faces, OcrText, TypedResult } from './typedResult.js';
export type { TextPart } from './textParts.js';
export type { BatchItem, BatchProgress, BatchSource } from './runAll.js';
export type { ChunkOptions } from './chunking.js';

// What it does with nodes
export { continueText } from './continueText.js';
export type { ContinueTextOptions, SaidText } from './continueText.js';
export { handshake } from './handshake.js';
export type { HandshakeOptions, NodeAnnotation } from './handshake.js';
export { judgeCompatibility } from './judgeCompatibility.js';
export type { CompatibilityOptions } from './judgeCompatibility.js';
export { cooldown } from './cooldown.js';
export type { CooldownOptions, NodeIncident, Rest } from './cooldown.js';
export { taskRequirement } from './taskRequirement.js';
export type { TaskDemand, TaskRequirement } from './taskRequirement.js';
export { taskAware } from './taskAware.js';
export type { TaskAwareOptions } from './taskAware.js';

export { lumenHealth } from '../health/lumenHealth.js';

// What it tells
export type {
  InferAnswer,
  InferenceAnswered,
  InferenceEnded,
  InferenceEvent,
  InferenceInfo,
  InferenceStarted,
} from './inferenceEvent.js';
export type { InferMetrics } from './inferMeter.js';
export type { BalancerStats } from './balancerStats.js';
