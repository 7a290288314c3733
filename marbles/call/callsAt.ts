import { map, mergeMap, timer, type Observable } from 'rxjs';
import type { MarbleHelpers } from '../../src/testing/marble.js';
import type { DrawnCallOptions, drawnClient } from './drawnClient.js';

export type DrawnClient = ReturnType<typeof drawnClient>;

/** Calls, each made at its time; what they answer is drawn as the letter of the call. */
export function callsAt<K extends string>(
  m: MarbleHelpers,
  client: DrawnClient,
  calls: Record<K, readonly [atMs: number, options?: DrawnCallOptions]>,
): Record<K, Observable<string>> {
  const made = Object.entries<readonly [number, DrawnCallOptions?]>(calls).map(([letter, [at, options]]) => [
    letter,
    timer(at, m.scheduler).pipe(
      mergeMap(() => client.call(options)),
      map(() => letter),
    ),
  ]);
  return Object.fromEntries(made) as Record<K, Observable<string>>;
}
