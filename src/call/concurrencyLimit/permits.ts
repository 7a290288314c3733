/** The places of a client, a key or a node: how many there are, how many are taken, and what is learned from who leaves. */

import type { FleetErrorCode } from '../../core/errorCodes.js';
import type { CallInfo } from '../call.js';
import type { Barred } from '../policy.js';
import type { Limit, LimitSample } from '../limit.js';
import type { PlaceRules } from './placeRules.js';

/** How a call or an attempt ended. */
export interface Ending {
  readonly latencyMs: number;
  readonly firstMessageMs?: number;
}

export class Permits implements Barred {
  readonly key: string;
  inFlight = 0;
  /** How many may be taken. */
  most: number;
  readonly code = 'CONCURRENCY_LIMITED';
  readonly obstacle = 'limited';
  private readonly limit: Limit | undefined;
  private readonly byFirstAnswer: boolean;
  private readonly sample: { -readonly [K in keyof LimitSample]: LimitSample[K] };

  /** @param limit what it learns by; undefined where `most` is set from outside. */
  constructor(key: string, limit: Limit | undefined, { max, byFirstAnswer }: PlaceRules) {
    this.key = key;
    this.limit = limit;
    this.most = limit?.limit ?? max;
    this.byFirstAnswer = byFirstAnswer;
    this.sample = { latencyMs: 0, inFlight: 0, dropped: false, now: 0 };
  }

  get learns(): boolean {
    return this.limit !== undefined;
  }

  get free(): boolean {
    return this.inFlight < this.most;
  }

  /** Why the node is shut, as it stands when this is read. */
  get reason(): string {
    return `it runs ${this.inFlight} calls, and its limit is ${this.most}`;
  }

  /** One is over that still counts as in flight: what it answered, or that it was too much, or nothing. */
  learn({ latencyMs, firstMessageMs }: Ending, ok: boolean, overload: boolean, now: number): void {
    const { limit, sample } = this;
    // Who has answered was not too much, however it ended: an endless stream ends by its caller, or by its deadline.
    const answeredMs = (this.byFirstAnswer ? firstMessageMs : undefined) ?? (ok ? latencyMs : undefined);
    if (limit === undefined || (answeredMs === undefined && !overload)) return;
    sample.latencyMs = answeredMs ?? latencyMs;
    sample.inFlight = this.inFlight;
    sample.dropped = answeredMs === undefined;
    sample.now = now;
    limit.onSample(sample);
    this.most = limit.limit;
  }
}

/**
 * True for what a node says, or fails to say, when it has too much to do. A call that ran for less than half of its time had
 * spent the rest before, in a queue or on other nodes: that it was late says nothing of this node. Else whoever waits until the
 * last moment, as all do behind a limit that is too low, would keep it there.
 */
export function isOverload(
  code: FleetErrorCode | 'OK' | undefined,
  { startedAt, deadline }: CallInfo,
  ranMs: number,
): boolean {
  if (code === 'DEADLINE_EXCEEDED') return 2 * ranMs >= deadline - startedAt;
  return code === 'RESOURCE_EXHAUSTED' || code === 'UNAVAILABLE';
}
