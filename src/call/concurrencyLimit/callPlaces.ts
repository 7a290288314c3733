/** A concurrency limit of calls: one for all, or one for each key. */

import { deadlineWheel } from '../../core/deadlineWheel.js';
import type { CallInfo } from '../call.js';
import { KeyedLanes } from '../keyedLanes.js';
import { LimitMeter } from '../limitMeter.js';
import type { Entrant, Gate, GateEnd, PolicyPorts, RunningPolicy } from '../policy.js';
import { WaitingLine } from '../waitingLine.js';
import { isOverload, Permits } from './permits.js';
import { placeReport, type PlaceReport } from './placeReport.js';
import type { PlaceRules } from './placeRules.js';
import { ServiceTime } from './serviceTime.js';
import type { Line, PlaceWaiter } from './placeWaiter.js';
import { WaitingRoom, type RoomPorts } from './waitingRoom.js';

/** The places of one key, and who waits for them. */
class Lane implements Line {
  readonly key: string;
  readonly permits: Permits;
  readonly room: WaitingRoom;
  readonly line = new WaitingLine<PlaceWaiter>();
  readonly service = new ServiceTime();
  /** For the room, which picks among several where there are several. */
  readonly lines: readonly Line[] = [this];
  /** Those who wait are being let in. */
  filling = false;

  constructor(key: string, permits: Permits, ports: RoomPorts) {
    this.key = key;
    this.permits = permits;
    this.room = new WaitingRoom(ports);
    this.room.add(this);
  }

  get places(): number {
    return this.permits.most;
  }

  get idle(): boolean {
    return this.permits.inFlight === 0 && this.line.size === 0;
  }
}

export class CallPlaces implements Gate, RunningPolicy {
  readonly gate: Gate = this;
  private readonly rules: PlaceRules;
  private readonly meter: LimitMeter;
  private readonly lanes: KeyedLanes<Lane>;
  private readonly waiters = new Map<Entrant, PlaceWaiter>();
  /** That of all calls, where there are no keys. */
  private readonly only: Lane | undefined;
  /** Where calls run that have a key: it may change meanwhile. */
  private readonly running = new Map<Entrant, Lane>();

  constructor(rules: PlaceRules, ports: PolicyPorts) {
    const { scheduler, clock } = ports;
    this.rules = rules;
    this.meter = new LimitMeter(ports);
    const { meter, waiters } = this;
    const { queueSize: size, maxWaitMs, algorithm, maxKeys } = rules;
    const room = {
      meter,
      wheel: deadlineWheel(scheduler),
      now: () => scheduler.now(),
      clock,
      waiters,
      size,
      maxWaitMs,
    };
    this.lanes = new KeyedLanes(
      (key) => new Lane(key, new Permits(key, algorithm?.(ports), rules), room),
      ({ idle }) => idle,
      maxKeys,
    );
    this.only = rules.keyOf === undefined ? this.lanes.of('') : undefined;
  }

  enter(entrant: Entrant): boolean {
    const lane = this.only ?? this.lanes.of(this.rules.keyOf!(entrant.call) ?? '');
    if (!lane.permits.free) {
      lane.room.join(entrant, lane);
      return false;
    }
    this.take(lane, entrant);
    return true;
  }

  withdraw(entrant: Entrant): void {
    const waiter = this.waiters.get(entrant);
    waiter?.room.remove(waiter);
  }

  leave(entrant: Entrant, end: GateEnd): void {
    const lane = this.only ?? this.running.get(entrant);
    if (lane === undefined) return;
    const { permits } = lane;
    this.learn(lane, entrant.call, end);
    permits.inFlight--;
    if (this.only === undefined) this.running.delete(entrant);
    if (lane.line.size > 0) this.fill(lane);
  }

  report(): PlaceReport {
    return placeReport(
      this.meter,
      [...this.lanes].map(([, { permits }]) => permits),
    );
  }

  close(): void {
    for (const [, { room }] of this.lanes) room.close();
  }

  private take(lane: Lane, entrant: Entrant): void {
    lane.permits.inFlight++;
    if (this.only === undefined) this.running.set(entrant, lane);
  }

  /** Gives free places to those who wait. A call that is let in may be over at once: its place is given on by the loop that runs. */
  private fill(lane: Lane): void {
    if (lane.filling) return;
    lane.filling = true;
    try {
      while (lane.permits.free) {
        const waiter = lane.room.next(lane.lines);
        if (waiter === undefined) return;
        this.take(lane, waiter.entrant);
        this.meter.letIn(waiter.call, lane.key, waiter.since);
        waiter.entrant.admit();
      }
    } finally {
      lane.filling = false;
    }
  }

  private learn({ service, permits }: Lane, call: CallInfo, end: GateEnd): void {
    const { code, latencyMs, at } = end;
    const ok = code === 'OK';
    // Of a call that never came to a node nothing can be learned.
    const overload = !ok && call.attempts.length > 0 && isOverload(code, call, latencyMs);
    if (ok || (overload && code === 'DEADLINE_EXCEEDED')) service.record(latencyMs);
    if (permits.learns) permits.learn(end, ok, overload, at);
  }
}
