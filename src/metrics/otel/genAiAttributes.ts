/** What the span of a call says of the inference that it is part of; nothing where that is no generative AI. */

import type { Attributes } from '@opentelemetry/api';
import type { InferAnswer, InferenceInfo } from '../../lumen/inferenceEvent.js';
import { isTextPart, modelOf, operationOf, provider } from './operation.js';

export function genAiAttributesOf(inference: InferenceInfo): Attributes {
  const operation = operationOf(inference);
  if (operation === undefined) return {};
  const { model } = inference;
  return {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': provider,
    ...(model && { 'gen_ai.request.model': model }),
  };
}

/** Of a stream only its last part says what is worth telling. */
export function genAiAttributesOfAnswer(inference: InferenceInfo, answer: InferAnswer): Attributes {
  if (('final' in answer && !answer.final) || operationOf(inference) === undefined) return {};
  const model = modelOf(answer);
  const attributes: Attributes = model ? { 'gen_ai.response.model': model } : {};
  if (isTextPart(answer)) {
    const { inputTokens, outputTokens, finishReason } = answer;
    if (inputTokens !== undefined) attributes['gen_ai.usage.input_tokens'] = inputTokens;
    if (outputTokens !== undefined) attributes['gen_ai.usage.output_tokens'] = outputTokens;
    if (finishReason !== undefined) attributes['gen_ai.response.finish_reasons'] = [finishReason];
  }
  return attributes;
}
