/** The sheet that a picture is drawn on: labels to the left, time to the right. */

import type { TimeScale } from './timeScale.js';

export interface Sheet {
  readonly scale: TimeScale;
  /** Where labels begin. */
  readonly left: number;
  /** Where time begins. */
  readonly origin: number;
  /** Where the arrows end. */
  readonly tip: number;
  /** Where time and the ground of the rows end. */
  readonly right: number;
  /** The place of a moment. */
  x(at: number): number;
  /** The places of the breaks. */
  readonly breaks: readonly number[];
}

/** A part of a picture, as wide as the sheet. */
export interface Strip {
  readonly height: number;
  /** It stands under the ticks of the axis. */
  readonly timed?: boolean;
  /** @param y its upper edge. */
  draw(y: number): string;
}

/** Pixels, of all pictures. */
export const sizes = {
  /** Around all of it. */
  pad: 20,
  marble: 11,
  /** From one of a group to the next. */
  stack: 25,
  row: 38,
  /** A character of a label, of a note. */
  character: 7.25,
  noteCharacter: 6.35,
} as const;

export function sheetOf(scale: TimeScale, left: number, origin: number, right: number): Sheet {
  return {
    ...{ scale, left, origin, right, tip: origin + scale.width },
    x: (at) => origin + scale.x(at),
    breaks: scale.breaks.map((x) => origin + x),
  };
}
