/** Waits for what no event tells, and for a state. */

import { setTimeout as wait } from 'node:timers/promises';
import { filter, firstValueFrom } from 'rxjs';
import type { Channel, ConnectivityState } from '../../core/channel.js';

/** Waits until something holds; fails after `withinMs`. For what a server sees, since no event tells it. */
export async function until(holds: () => boolean, what: string, withinMs = 5_000): Promise<void> {
  const giveUp = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > giveUp) throw new Error(`still not so after ${withinMs} ms: ${what}`);
    await wait(5);
  }
}

/** Waits until a count stands still for 150 ms. */
export async function settled(count: () => number): Promise<void> {
  let last = -1;
  let since = Date.now();
  await until(() => {
    if (count() !== last) {
      last = count();
      since = Date.now();
    }
    return Date.now() - since > 150;
  }, 'the count stands still');
}

/** True when drain comes within 150 ms. */
export async function drained(call: { readonly drains: number }, before: number): Promise<boolean> {
  try {
    await until(() => call.drains > before, 'drain comes', 150);
    return true;
  } catch {
    return false;
  }
}

/** Resolves when the channel is in a state. */
export async function reached(channel: Channel, state: ConnectivityState): Promise<void> {
  await firstValueFrom(channel.state$.pipe(filter((now) => now === state)));
}
