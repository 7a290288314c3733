/** Waiting for a condition that no event announces, such as a counter of a server. */

import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when `condition` holds; rejects, saying what it waited for, when it does not within `ms`. */
export async function until(what: string, condition: () => boolean, ms = 10_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain until ${what}`);
    await sleep(5);
  }
}
