/** How fast a source may be asked again: a token bucket that degrades, as a pure function. */

export interface PaceOptions {
  /** Quick successive answers that are followed at once. Default 2 (Consul's recommendation). */
  readonly burst?: number;
  /** Where the wait between two queries ends up while answers keep coming, in milliseconds. Default 15,000 (Consul's). */
  readonly steadyMs?: number;
  /** The first wait past the burst, in milliseconds; it doubles from there. Default 250. */
  readonly firstMs?: number;
}

/** The state between two answers. */
export interface Pace {
  readonly tokens: number;
  /** When `tokens` was counted, in milliseconds. */
  readonly at: number;
  /** The last wait; 0 after a time of calm. */
  readonly lastMs: number;
}

/** At the start: the first listing is free on top of the burst. */
export function rested({ burst = 2 }: PaceOptions, now: number): Pace {
  return { tokens: burst + 1, at: now, lastMs: 0 };
}

/**
 * The state after one more answer, and how long to rest before the next query.
 *
 * `burst` answers are free and come back one in `steadyMs`; past them each wait is twice the one before, from `firstMs`
 * to `steadyMs`, ± 10 %. So a rolling restart is followed within a second at first, and a source that never stops
 * changing is looked at every `steadyMs`. After a calm long enough to fill the bucket the waits start small again.
 */
export function paced(
  { tokens, at, lastMs }: Pace,
  now: number,
  { burst = 2, steadyMs = 15_000, firstMs = 250 }: PaceOptions,
  random: () => number,
): { readonly pace: Pace; readonly restMs: number } {
  const filled = Math.min(Math.max(burst, tokens), tokens + Math.max(0, now - at) / steadyMs);
  const calm = filled >= burst ? 0 : lastMs;
  if (filled >= 1) return { pace: { tokens: filled - 1, at: now, lastMs: calm }, restMs: 0 };
  const wait = Math.min(calm === 0 ? firstMs : calm * 2, steadyMs);
  // The bucket fills again from when the next query goes out.
  const restMs = wait * (0.9 + 0.2 * random());
  return { pace: { tokens: 0, at: now + restMs, lastMs: wait }, restMs };
}
