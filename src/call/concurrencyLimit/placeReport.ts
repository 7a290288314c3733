/** What a concurrency limit stands at. */

import type { LimitFigures, LimitMeter } from '../limitMeter.js';
import type { Permits } from './permits.js';

export interface PlaceReport extends LimitFigures {
  /** Calls that run now, or attempts where the nodes are limited. */
  readonly inFlight: number;
  /** How many limits there are: one, or one for each key or node. */
  readonly limits: number;
  /** Each limit, by its key or node, the first hundred in use; `''` is the one for all. */
  readonly used: Readonly<Record<string, PlaceFigures>>;
}

export interface PlaceFigures {
  /** How many may run at once now. */
  readonly limit: number;
  readonly inFlight: number;
}

/** More lines than this nobody reads. */
const mostReported = 100;

export function placeReport(meter: LimitMeter, all: Iterable<Permits>): PlaceReport {
  const used: Record<string, PlaceFigures> = {};
  let shown = 0;
  let limits = 0;
  let inFlight = 0;
  for (const permits of all) {
    limits++;
    inFlight += permits.inFlight;
    if ((permits.inFlight === 0 && permits.key !== '') || shown === mostReported) continue;
    used[permits.key] = { limit: permits.most, inFlight: permits.inFlight };
    shown++;
  }
  return { inFlight, limits, used, ...meter.figures() };
}
