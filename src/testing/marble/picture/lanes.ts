/** Spans side by side: those that do not touch share a lane. */

import type { Span } from '../marbleRecord.js';

/** Puts each span on the first lane that is free for it; at least `gap` lies between two on one lane. */
export function lanesOf<T extends Span>(spans: readonly T[], gap: number): readonly (readonly T[])[] {
  const lanes: T[][] = [];
  for (const span of spans) {
    const free = lanes.find((lane) => (lane.at(-1)!.to ?? Infinity) + gap <= span.from);
    if (free) free.push(span);
    else lanes.push([span]);
  }
  return lanes;
}
