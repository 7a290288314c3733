/** What an inference is in the words of the GenAI conventions; those that are no generative AI have none. */

import type { InferAnswer, InferenceInfo } from '../../lumen/inferenceEvent.js';
import type { TextPart } from '../../lumen/textParts.js';

/** `gen_ai.provider.name`: whoever made the model, nodes of Lumen serve it. */
export const provider = 'lumen';

/** `gen_ai.operation.name`. */
export type Operation = 'text_completion' | 'generate_content' | 'embeddings';

/**
 * By the preferred name of the task: that texts are generated, from text or from pictures, or that a text or a picture gets
 * a vector. Classification, OCR and faces have no name in the conventions.
 */
export function operationOf({ tasks: [task = ''] }: InferenceInfo): Operation | undefined {
  if (/^vlm_generate/.test(task)) return 'generate_content';
  if (/text_generat/.test(task)) return 'text_completion';
  return /(?:^|_)(?:text|image)_embed$/.test(task) ? 'embeddings' : undefined;
}

/** The model that answered; empty when the node does not say. */
export function modelOf(answer: InferAnswer): string {
  return 'model' in answer ? answer.model : (answer.meta['lumen.model.id'] ?? '');
}

/** A part of a generated text. */
export function isTextPart(answer: InferAnswer): answer is TextPart {
  return 'soFar' in answer;
}
