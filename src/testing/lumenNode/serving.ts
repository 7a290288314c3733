/** What the handlers of one node share: what it is, how it does, and what is wrong with it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { CallLog } from './callLog.js';
import type { LumenFaults } from './faults.js';
import type { LumenFlavour } from './flavour.js';
import type { NodeService } from './services.js';
import type { Slots } from './slots.js';
import { StatusFailure } from './failure.js';

export interface Serving {
  readonly name: string;
  readonly flavour: LumenFlavour;
  /** Sorted by name. */
  readonly services: readonly NodeService[];
  readonly slots: Slots;
  readonly log: CallLog;
  /** Work that each request costs, in milliseconds. */
  readonly msPerRequest: number;
  readonly responseChunkBytes: number;
  readonly maxRequestBytes: number;
  readonly random: () => number;
  /** Aborted when the node closes. */
  readonly closing: AbortSignal;
  /** False while it starts. */
  readonly ready: boolean;
  readonly faults: LumenFaults;
  /** Ends every connection at once. */
  readonly kill: () => void;
}

/** Never answers; ends when the caller gives up, or with `UNAVAILABLE` when the node closes. */
export async function hang({ closing, name }: Pick<Serving, 'closing' | 'name'>, signal: AbortSignal): Promise<never> {
  await sleepUntil(AbortSignal.any([signal, closing]));
  signal.throwIfAborted();
  throw new StatusFailure('UNAVAILABLE', `${name} closes`);
}

/** Resolves when the signal is aborted. */
export function sleepUntil(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Waits; rejects when the signal is aborted first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(ms, undefined, { signal });
}
