/** The letters of the health diagrams. */

import { map, type Observable } from 'rxjs';
import type { NodeHealth, Verdict } from '../../src/health/healthCheck.js';

/** Good, bad; capital when the node itself says so. */
export const verdicts: Record<string, Verdict> = {
  g: { serving: true },
  b: { serving: false, reason: 'bad' },
  G: { serving: true, sure: true },
  B: { serving: false, sure: true, reason: 'bad' },
};

/** Draws a health as one letter. */
export const health = () => (health$: Observable<NodeHealth>) =>
  health$.pipe(map(({ health }) => ({ serving: 's', notServing: 'n', unknown: 'u', ejected: 'e' })[health]));
