/** Goes on where the prompt stops, in the words of Shakespeare's sonnets, one word at a time. */

import { setTimeout as sleep } from 'node:timers/promises';
import { FleetError } from '../../../core/fleetError.js';
import { seededRandom } from '../../seededRandom.js';
import { fnv1a } from './fnv1a.js';
import { ngramModel, type NgramModel } from './ngramModel.js';
import { sonnets } from './sonnets.js';
import { jsonMime, jsonOutput, type NodeTask, type TaskInput } from './task.js';

export interface GenerateTextOptions {
  /** Default `text_generation`. */
  readonly name?: string;
  /** False: one final message with the whole text, as the Python servers do. Default true. */
  readonly stream?: boolean;
  /** Wait before each word, in milliseconds. Default 0. */
  readonly msPerToken?: number;
}

const fewestWords = 16;
const mostWords = 64;
let shared: NgramModel | undefined;

/**
 * `text_generation`: takes `text/plain`, gives `text_generation_v1`.
 *
 * Each partial is `{ text, model_id }` with the next word, and its blank; the final message is the whole text with
 * `finish_reason`, `generated_tokens` and `input_tokens`. Equal prompts and seeds give equal texts.
 *
 * Meta: `max_tokens` words exactly, then `finish_reason` is `length` (default: it stops at the end of a sentence
 * after 16 words, `stop`, and at 64 at the latest); `seed` (default `0`); `stream` `false` leaves the partials out.
 */
export function generateText(options: GenerateTextOptions = {}): NodeTask {
  const { name = 'text_generation', stream = true, msPerToken = 0 } = options;
  return {
    name,
    inputMimes: ['text/plain'],
    outputMimes: [jsonMime('text_generation_v1')],
    async *run(input) {
      const prompt = new TextDecoder().decode(input.payload);
      const asked = maxTokens(input);
      const random = seededRandom(fnv1a(`${input.meta['seed'] ?? '0'} ${prompt}`));
      const streamed = stream && input.meta['stream'] !== 'false';
      let text = '';
      let tokens = 0;
      let finish = 'length';
      for (const word of (shared ??= ngramModel(sonnets)).words(prompt, random)) {
        if (tokens >= (asked ?? mostWords)) break;
        if (msPerToken > 0) await sleep(msPerToken, undefined, { signal: input.signal });
        const part = tokens++ === 0 ? word : ` ${word}`;
        text += part;
        if (streamed)
          yield { ...jsonOutput('text_generation_v1', { text: part, model_id: input.model }), partial: true };
        if (asked === undefined && tokens >= fewestWords && /[.!?]$/.test(word)) {
          finish = 'stop';
          break;
        }
      }
      yield jsonOutput('text_generation_v1', {
        text,
        finish_reason: finish,
        generated_tokens: tokens,
        input_tokens: prompt.split(/\s+/).filter((word) => word !== '').length,
        model_id: input.model,
      });
    },
  };
}

function maxTokens({ meta }: TaskInput): number | undefined {
  const text = meta['max_tokens'];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 10_000) return value;
  throw new FleetError('INVALID_ARGUMENT', `meta max_tokens must be a whole number from 1 to 10000, not "${text}"`);
}
