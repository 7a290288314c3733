/** Picks one instance after another, and lets those rest that failed. */

import type { SchedulerLike } from 'rxjs';
import type { Address } from '../core/address.js';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import type { AioInstance } from '../discovery/aio/aioInstance.js';
import { aioAddresses, type AioAddressOptions } from '../discovery/aio/nodeOfInstance.js';

export interface AioCoolingOptions {
  /** So many failures in a row let an instance rest. Default 1, as AIO's own SDK. */
  readonly failures?: number;
  /** The first rest, in milliseconds; each one after a failed trial is twice as long. Default 30,000, as AIO's own SDK. */
  readonly cooldownMs?: number;
  /** Longest rest, in milliseconds. Default 300,000. */
  readonly maxCooldownMs?: number;
}

/** One instance for one use. */
export interface AioPick {
  readonly instance: AioInstance;
  /** Where to dial it first. */
  readonly address: Address;
  /** Every address, the best first. */
  readonly addresses: readonly Address[];
  /**
   * Tells how the use went; the first time counts. Without an error: well, which ends every rest. With one: a failure of
   * the instance, unless it is a `FleetError` that is charged to the request or the caller.
   */
  report(error?: unknown): void;
}

interface Past {
  failures: number;
  rests: number;
  restsUntil: number;
  restMs: number;
  /** Until when one use tries it out, and the others wait for the outcome. */
  trialUntil: number;
}

/**
 * Takes the instances of one service in turn.
 *
 *     picks     a b c a b a b a c     b and c never rest together with what shares their host or endpoint
 *     report      .   . x         x: the failure of c lets c rest; one pick tries it out after that
 *
 * The turn goes by the keys of the instances, so that a new list does not begin it anew. When all rest, all are taken:
 * then it is more likely the network than each of them.
 */
export class InstancePicks {
  readonly #scheduler: SchedulerLike;
  readonly #choice: AioAddressOptions;
  readonly #failures: number;
  readonly #cooldownMs: number;
  readonly #maxCooldownMs: number;
  readonly #records = new Map<string, Past>();
  #last = '';

  constructor(scheduler: SchedulerLike, cooling: AioCoolingOptions, choice: AioAddressOptions) {
    checkCooling(cooling);
    this.#scheduler = scheduler;
    this.#choice = choice;
    this.#failures = cooling.failures ?? 1;
    this.#cooldownMs = cooling.cooldownMs ?? 30_000;
    this.#maxCooldownMs = Math.max(this.#cooldownMs, cooling.maxCooldownMs ?? 300_000);
  }

  /**
   * @param instances Those online, ordered by their keys.
   * @throws FleetError `NO_NODES` when none has an address.
   */
  pick(instances: readonly AioInstance[], what: string): AioPick {
    const present = new Set(instances.map(({ key }) => key));
    for (const key of this.#records.keys()) if (!present.has(key)) this.#records.delete(key);
    const usable = instances
      .map((instance) => ({ instance, addresses: aioAddresses(instance, this.#choice) }))
      .filter(({ addresses }) => addresses.length > 0);
    if (usable.length === 0) {
      const why = instances.length ? 'no instance with an address that can be dialled' : 'no instance online';
      throw new FleetError('NO_NODES', `${what} has ${why}; start one, or look what registers it`);
    }
    const now = this.#scheduler.now();
    const awake = usable.filter(({ instance }) => !this.#rests(instance.key, now));
    const candidates = awake.length > 0 ? awake : usable;
    const { instance, addresses } = candidates.find(({ instance: { key } }) => key > this.#last) ?? candidates[0]!;
    this.#last = instance.key;
    const record = this.#records.get(instance.key);
    const isTrial = record !== undefined && record.rests > 0 && awake.length > 0;
    if (isTrial) record.trialUntil = now + this.#cooldownMs;
    let told = false;
    const report = (error?: unknown) => {
      if (told) return;
      told = true;
      this.#report(instance.key, error, isTrial);
    };
    return { instance, address: addresses[0]!, addresses, report };
  }

  #rests(key: string, now: number): boolean {
    const record = this.#records.get(key);
    if (!record) return false;
    // A clock that was set back must not make a rest longer.
    const within = (until: number, ms: number) => now < until && now >= until - ms;
    return within(record.restsUntil, record.restMs) || within(record.trialUntil, this.#cooldownMs);
  }

  #report(key: string, error: unknown, isTrial: boolean): void {
    if (error === undefined || error === null) {
      this.#records.delete(key);
      return;
    }
    const record = this.#records.get(key) ?? { failures: 0, rests: 0, restsUntil: 0, restMs: 0, trialUntil: 0 };
    record.trialUntil = 0;
    this.#records.set(key, record);
    if (error instanceof FleetError && (error.blame === 'request' || error.blame === 'caller')) return;
    const now = this.#scheduler.now();
    // Uses that were under way when it went to rest tell nothing new.
    if (this.#rests(key, now)) return;
    record.failures++;
    if (!isTrial && record.failures < this.#failures) return;
    record.failures = 0;
    record.restMs = Math.min(this.#cooldownMs * 2 ** record.rests++, this.#maxCooldownMs);
    record.restsUntil = now + record.restMs;
  }
}

/** @throws FleetError `INVALID_OPTION`, naming the field. */
export function checkCooling({ failures = 1, cooldownMs = 30_000, maxCooldownMs = 300_000 }: AioCoolingOptions): void {
  requireOption(Number.isInteger(failures) && failures >= 1, 'cooling.failures', 'a whole number from 1', failures);
  requireOption(cooldownMs > 0, 'cooling.cooldownMs', 'above 0', cooldownMs);
  requireOption(maxCooldownMs > 0, 'cooling.maxCooldownMs', 'above 0', maxCooldownMs);
}
