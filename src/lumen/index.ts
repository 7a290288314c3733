/** `rxfleet/lumen`: inference over Lumen nodes. */

// The client
export { createLumenClient, taskNames } from './createLumenClient.js';
export type {
  GenerateTextOptions,
  InferAllOptions,
  LumenClient,
  ReadyOptions,
  TaskOptions,
} from './createLumenClient.js';
export type { LumenClientOptions } from './lumenOptions.js';
export { lumenPresets } from './presets.js';
export type { LumenPreset, PresetNumbers } from './presets.js';

// Requests and results
export type { InferRequest } from './request.js';
export type { TensorInput } from './tensor.js';
export type { InferOptions } from './inference.js';
export type { InferPart, InferResult } from './assembleParts.js';
export type { Classification, Embedding, Face, Faces, OcrText, TypedResult } from './results.js';
export type { TextPart } from './textParts.js';
export type { BatchItem, BatchProgress, BatchSource } from './runAll.js';
export type { ChunkOptions } from './chunking.js';

// What it does with nodes
export { handshake } from './handshake.js';
export type { HandshakeOptions, NodeAnnotation } from './handshake.js';
export { judgeCompatibility } from './compatibility.js';
export type { CompatibilityOptions } from './compatibility.js';
export { cooldown } from './cooldown.js';
export type { CooldownOptions, NodeIncident, Rest } from './cooldown.js';
export { taskRequirement } from './taskRouting.js';
export type { TaskDemand } from './taskRouting.js';

// What it tells
export type { InferMetrics } from './inferMeter.js';
export type { BalancerStats } from './balancerStats.js';
