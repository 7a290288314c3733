/** One token bucket and those who wait for it. */

import type { DeadlineWheel, Expiring } from '../../core/deadlineWheel.js';
import { FleetError } from '../../core/fleetError.js';
import { tokenBucket, type TokenBucket } from '../../core/tokenBucket.js';
import type { CallInfo } from '../call.js';
import type { LimitMeter } from '../limitMeter.js';
import type { Entrant } from '../policy.js';
import { priorityOf, WaitingLine, type Waiter } from '../waitingLine.js';
import type { RateRules } from './rateRules.js';

/** What the lanes of one limiter share. */
export interface LanePorts {
  readonly rules: RateRules;
  readonly meter: LimitMeter;
  readonly wheel: DeadlineWheel;
  /** Milliseconds since the epoch, by the clock of the wheel. */
  readonly now: () => number;
  /** The stopwatch by which tokens come. */
  readonly clock: () => number;
  /** Those who wait, in whatever lane. */
  readonly waiters: Map<Entrant, RateWaiter>;
  /** The tokens for it are taken: lets it go on. False: it did not need them after all. */
  readonly letIn: (waiter: RateWaiter) => boolean;
}

/** How far a timer may be off. */
const timerMs = 1;
let arrivals = 0;

export class RateWaiter implements Waiter, Expiring {
  readonly lane: RateLane;
  readonly entrant: Entrant;
  readonly call: CallInfo;
  readonly cost: number;
  readonly priority: number;
  /** All are due alike: only the arrival counts. */
  readonly due = 0;
  readonly number = ++arrivals;
  /** When it came, on the stopwatch. */
  readonly since: number;
  /** When it is late, by the clock of the wheel; `Infinity` where only its deadline counts. */
  readonly latest: number;

  constructor(lane: RateLane, entrant: Entrant, cost: number, since: number, latest: number) {
    this.lane = lane;
    this.entrant = entrant;
    this.call = entrant.call;
    this.cost = cost;
    this.priority = priorityOf(entrant.call);
    this.since = since;
    this.latest = latest;
  }

  expire(): void {
    this.lane.late(this);
  }
}

export class RateLane implements Expiring {
  readonly key: string;
  readonly bucket: TokenBucket;
  private readonly ports: LanePorts;
  private readonly line = new WaitingLine<RateWaiter>();
  /** What those who wait will cost. */
  private owed = 0;
  /** When the first of them is served, by the wheel; 0 while nobody waits. */
  private dueAt = 0;

  constructor(key: string, ports: LanePorts) {
    this.key = key;
    this.bucket = tokenBucket(ports.rules);
    this.ports = ports;
  }

  get waiting(): number {
    return this.line.size;
  }

  /** Nobody would miss it: a new one would be the same. */
  get idle(): boolean {
    return this.line.size === 0 && this.bucket.available(this.ports.clock()) >= this.bucket.burst;
  }

  /** Takes the tokens for a call, if they are there and nobody who waits comes first. */
  take(call: CallInfo, cost: number): boolean {
    const { first } = this.line;
    if (first !== undefined && priorityOf(call) <= first.priority) return false;
    return this.bucket.take(cost, this.ports.clock()) === 0;
  }

  /** Gives tokens back, or with less than 0 takes more, which others then wait for. */
  giveBack(cost: number): void {
    this.bucket.cancel(cost, this.ports.clock());
    this.arm();
  }

  /** Milliseconds until a call would be let in, after those who come first. */
  waitOf(call: CallInfo, cost: number): number {
    const { bucket, ports } = this;
    if (cost > bucket.burst) return Infinity;
    const lacking = this.owedBefore(priorityOf(call)) + cost - bucket.available(ports.clock());
    return lacking <= 0 ? 0 : (lacking * 1_000) / bucket.perSecond;
  }

  /**
   * Makes a call wait.
   *
   * @throws FleetError `RATE_LIMITED` when it would wait too long.
   */
  join(entrant: Entrant, cost: number): void {
    const { ports } = this;
    const { call } = entrant;
    const { maxWaitMs } = ports.rules;
    const waitMs = this.waitOf(call, cost);
    const now = ports.now();
    // Timers ring at whole milliseconds.
    if (waitMs > maxWaitMs || Math.ceil(waitMs) >= call.deadline - now) {
      ports.meter.sentAway(call, this.key, undefined);
      throw this.refusal(call, cost, waitMs, call.deadline - now);
    }
    const latest = now + maxWaitMs < call.deadline ? now + maxWaitMs : Infinity;
    const waiter = new RateWaiter(this, entrant, cost, ports.clock(), latest);
    this.line.join(waiter);
    this.owed += cost;
    ports.waiters.set(entrant, waiter);
    ports.meter.waiting++;
    if (latest < Infinity) ports.wheel.add(latest, waiter);
    if (this.line.first === waiter) this.arm();
  }

  /** It gave up waiting. */
  leave(waiter: RateWaiter): void {
    const head = this.line.first === waiter;
    this.remove(waiter);
    if (head) this.arm();
  }

  /** Lets everybody go on who waits here, to be asked again. */
  dissolve(): void {
    for (let { first } = this.line; first !== undefined; first = this.line.first) {
      this.remove(first);
      first.entrant.admit();
    }
    this.arm();
  }

  /** Sends everybody away who waits here: the client is closed. */
  close(): void {
    for (let { first } = this.line; first !== undefined; first = this.line.first) {
      this.remove(first);
      first.entrant.refuse(new FleetError('CLOSED', `${first.call.name}: the client was closed`, { sent: false }));
    }
    this.arm();
  }

  /** Called by the deadline wheel: the first may be served. */
  expire(): void {
    this.dueAt = 0;
    this.serve();
  }

  /** One has waited as long as it may: more than was known came before it. */
  late(waiter: RateWaiter): void {
    const { ports } = this;
    this.serve();
    if (ports.waiters.get(waiter.entrant) !== waiter) return;
    if (this.line.first === waiter && this.waitOfFirst(waiter) <= timerMs) return;
    this.remove(waiter);
    ports.meter.sentAway(waiter.call, this.key, waiter.since);
    const what = `it waited for ${ms(ports.rules.maxWaitMs)} (maxWaitMs), since others came first or cost more than was known`;
    const remedy = 'call less often, or raise its priority or maxWaitMs';
    waiter.entrant.refuse(refused(waiter.call, `${this.sentence} is used up: ${what}`, remedy));
  }

  /** Serves those whose tokens are there. Only ever called by the wheel: nobody is let in amid the call of somebody else. */
  private serve(): void {
    const { line, bucket, ports } = this;
    for (let { first } = line; first !== undefined; first = line.first) {
      if (bucket.take(first.cost, ports.clock()) > 0) break;
      this.remove(first);
      if (!ports.letIn(first)) bucket.cancel(first.cost, ports.clock());
    }
    this.arm();
  }

  private remove(waiter: RateWaiter): void {
    const { ports, line } = this;
    line.leave(waiter);
    // Fractions add up to something else than they were taken from.
    this.owed = line.size === 0 ? 0 : this.owed - waiter.cost;
    ports.waiters.delete(waiter.entrant);
    ports.meter.waiting--;
    if (waiter.latest < Infinity) ports.wheel.delete(waiter.latest, waiter);
  }

  private owedBefore(priority: number): number {
    const { line } = this;
    const { size } = line;
    if (size === 0 || priority <= line.at(size - 1)!.priority) return this.owed;
    let sum = 0;
    for (let i = 0; i < size && line.at(i)!.priority >= priority; i++) sum += line.at(i)!.cost;
    return sum;
  }

  private waitOfFirst({ cost }: RateWaiter): number {
    const { bucket, ports } = this;
    return Math.max(0, ((cost - bucket.available(ports.clock())) * 1_000) / bucket.perSecond);
  }

  /** One entry of the wheel for all who wait: when the tokens for the first are there. */
  private arm(): void {
    const { first } = this.line;
    const { wheel, now } = this.ports;
    const at = first === undefined ? 0 : now() + this.waitOfFirst(first);
    if (at === this.dueAt) return;
    if (this.dueAt > 0) wheel.delete(this.dueAt, this);
    this.dueAt = at;
    if (at > 0) wheel.add(at, this);
  }

  private refusal(call: CallInfo, cost: number, waitMs: number, remainingMs: number): FleetError {
    const { burst } = this.bucket;
    const { unit, maxWaitMs } = this.ports.rules;
    if (waitMs === Infinity) {
      const what = `its ${cost} ${unit} are more than the burst of ${burst}, so it would never pass`;
      return refused(call, `${this.sentence}: ${what}`, 'ask for less at once, or raise burst');
    }
    const limit =
      waitMs > maxWaitMs ? `more than maxWaitMs (${ms(maxWaitMs)})` : `and its deadline is in ${ms(remainingMs)}`;
    const what = `it would have to wait for ${ms(waitMs)}, ${limit}`;
    return refused(call, `${this.sentence} is used up: ${what}`, 'call less often, or raise perSecond or maxWaitMs');
  }

  private get sentence(): string {
    const { unit, perSecond } = this.ports.rules;
    return `the rate limit${this.key === '' ? '' : ` of ${this.key}`} of ${perSecond} ${unit} a second`;
  }
}

function refused(call: CallInfo, what: string, remedy: string): FleetError {
  return new FleetError('RATE_LIMITED', `${call.name}: ${what}; ${remedy}`, { sent: false });
}

function ms(duration: number): string {
  return `${Math.ceil(duration)} ms`;
}
