/** A text as it grows: from the messages of a text generation to what each adds. */

import { defer, map, type OperatorFunction } from 'rxjs';
import type { Continuity } from '../call/resume.js';
import type { InferPart } from './assembleParts.js';
import { generatedTextOf, type TypedResult } from './typedResult.js';

/** What one message adds to a generated text. */
export interface TextPart extends TypedResult {
  /** New text; may be empty on the final part. Joined, the parts are the whole text. */
  readonly text: string;
  /** The whole text so far, this part included. */
  readonly soFar: string;
  /** True for the last part. */
  readonly final: boolean;
  /**
   * How it fits what was said before: `exact` from one node, `text` once another one has gone on after a break (see
   * `continueText`).
   */
  readonly continuity: Continuity;
  /** Why it stopped, such as `stop` or `length`; on the final part, when the node says. */
  readonly finishReason?: string;
  /** Tokens that the node read and wrote for this text, on the final part, when it says. */
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

/**
 * Reads each part as text. Nodes that stream close with a message that holds the last piece or, as others do, the
 * whole text again; only what is new of it is emitted.
 *
 *     parts   -o-u-w|       o: "Once"  u: " upon"  w: final, "Once upon a"
 *     text    -o-u-a|       a: " a"
 *
 * Errors with `BAD_SCHEMA` for a part that is no text, with its bytes.
 */
export function textParts(): OperatorFunction<InferPart, TextPart> {
  return (part$) =>
    defer(() => {
      let soFar = '';
      return part$.pipe(
        map((part): TextPart => {
          const { text, ...rest } = generatedTextOf(part);
          const whole = part.final && soFar !== '' && text.startsWith(soFar);
          const added = whole ? text.slice(soFar.length) : text;
          soFar += added;
          return { text: added, soFar, final: part.final, continuity: 'exact', ...rest };
        }),
      );
    });
}
