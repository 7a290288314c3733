/**
 * Goes on with a text whose node died amid a sentence.
 *
 * What was said goes to another node as part of the prompt, and what that one says is joined to it: the reader sees one text.
 * Another run might have chosen other words, so it is `text` and not `exact`; where a text must be that of one seed and one
 * node, do without. The idea is that of Dynamo's request migration, on the side of the client.
 */

import type { Continuity, Resume, StallOptions } from '../call/resume.js';
import { requireOption } from '../core/requireOption.js';
import type { InferRequest } from './inferRequest.js';
import type { TextPart } from './textParts.js';

export interface ContinueTextOptions {
  /** Breaks that are mended in one text. Default 3. */
  readonly maxResumes?: number;
  /** Longest text so far, in characters, that is sent along; past it the error stands. Default 100,000. */
  readonly maxCarriedChars?: number;
  /** When silence counts as a break: ten times the usual gap, one second at least. `false`: never. */
  readonly stall?: StallOptions | false;
}

/** What was said so far. */
export interface SaidText {
  readonly soFar: string;
  /** Parts that had text: as many tokens, as far as anybody can tell. */
  readonly tokens: number;
  /** True while every part but the first began with a blank: then the node speaks in words, not in pieces of them. */
  readonly inWords: boolean;
}

/**
 * For `lumen.generateText(prompt, { resume: continueText() })`: the prompt with the text so far goes to another node, with as
 * many `max_tokens` fewer as there were parts. From then on each part says `continuity: 'text'`.
 *
 *     node a   -o-u-#             o: "Once" u: " upon"
 *     node b         -a-t|        asked to go on from "…Once upon"
 *     text     -o-u---a-t|
 *
 * @throws FleetError `INVALID_OPTION` for a number that makes no sense.
 */
export function continueText(options: ContinueTextOptions = {}): Resume<InferRequest, TextPart, SaidText> {
  const { maxResumes = 3, maxCarriedChars = 100_000, stall = {} } = options;
  requireOption(maxCarriedChars >= 1, 'maxCarriedChars', 'at least 1', maxCarriedChars);
  const continuity: Continuity = 'text';
  return {
    continuity,
    maxResumes,
    stall,
    codes: ['UNAVAILABLE', 'INTERNAL', 'UNKNOWN', 'CANCELLED', 'DATA_LOSS', 'DEADLINE_EXCEEDED', 'BAD_RESPONSE'],
    begin: () => ({ soFar: '', tokens: 0, inWords: true }),
    see: ({ soFar, tokens, inWords }, { text }) => ({
      soFar: soFar + text,
      tokens: tokens + (text === '' ? 0 : 1),
      inWords: inWords && (soFar === '' || text === '' || /^\s/.test(text)),
    }),
    next: (request, { soFar, tokens }) => {
      const { payload, meta } = request;
      const prompt = typeof payload === 'string' ? payload : new TextDecoder().decode(payload);
      const asked = meta?.['max_tokens'];
      const left = asked === undefined ? undefined : Number(asked) - tokens;
      if (soFar.length > maxCarriedChars || (left !== undefined && left < 1)) return undefined;
      const carried = { ...request, payload: prompt + joint(prompt, soFar) + soFar };
      return left === undefined ? carried : { ...carried, meta: { ...meta, max_tokens: String(left) } };
    },
    rewrite: (part, { soFar, inWords }) => {
      // The first part of the other node begins a word where those of this one did.
      const atBreak = part.soFar === part.text && part.text !== '';
      const text = atBreak && inWords ? joint(soFar, part.text) + part.text : part.text;
      return { ...part, text, soFar: soFar + text, continuity };
    },
  };
}

/** A blank where two texts would run into one word. */
function joint(before: string, after: string): string {
  return before === '' || after === '' || /\s$/.test(before) || /^[\s.,;:!?)\]}'"’”]/.test(after) ? '' : ' ';
}
