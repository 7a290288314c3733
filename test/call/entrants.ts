/** Calls at a gate, as the limiters see them, without a pipeline around them. */

import { VirtualTimeScheduler } from 'rxjs';
import type { CallInfo, CallOptions } from '../../src/call/call.js';
import type { Entrant, Policy, PolicyPorts, RunningPolicy } from '../../src/call/policy.js';
import { noEvents } from '../support/noEvents.js';
import type { FleetError } from '../../src/core/fleetError.js';
import { NodeSet } from '../../src/core/nodeSet.js';

let calls = 0;

export class TestEntrant implements Entrant {
  state: 'waiting' | 'in' | 'refused' | 'gone' = 'waiting';
  error: FleetError | undefined = undefined;
  readonly call: CallInfo;
  private readonly admitted: (entrant: TestEntrant) => void;

  constructor(options: CallOptions, startedAt: number, admitted: (entrant: TestEntrant) => void = () => undefined) {
    const { deadlineMs = Infinity, metadata, cost } = options;
    const deadline = startedAt + deadlineMs;
    const costIn = (unit: string) => cost?.[unit] ?? 0;
    this.call = {
      id: ++calls,
      name: 'call',
      options,
      startedAt,
      deadline,
      metadata,
      attempts: [],
      node: undefined,
      costIn,
    };
    this.admitted = admitted;
  }

  admit(): void {
    if (this.state !== 'waiting') throw new Error(`admitted while ${this.state}`);
    this.state = 'in';
    this.admitted(this);
  }

  refuse(error: FleetError): void {
    if (this.state !== 'waiting') throw new Error(`refused while ${this.state}`);
    this.state = 'refused';
    this.error = error;
  }
}

export interface Started {
  readonly running: RunningPolicy;
  readonly scheduler: VirtualTimeScheduler;
  /** Goes on to this time, and does what is due on the way. */
  advanceTo(at: number): void;
}

export function startPolicy(policy: Policy): Started {
  const scheduler = new VirtualTimeScheduler();
  const ports: PolicyPorts = {
    ...{
      by: policy.name,
      scheduler,
      random: () => 0.5,
      clock: () => scheduler.now(),
      events: noEvents,
      nodes: () => NodeSet.empty,
    },
    eject: () => undefined,
    readmit: () => undefined,
  };
  return {
    running: policy.start(ports),
    scheduler,
    advanceTo(at) {
      scheduler.maxFrames = at;
      scheduler.flush();
      scheduler.frame = Math.max(scheduler.frame, at);
    },
  };
}

/** Brings a call to a gate: in, waiting or refused. */
export function arrive(
  { running, scheduler }: Started,
  options: CallOptions,
  admitted?: (entrant: TestEntrant) => void,
): TestEntrant {
  const entrant = new TestEntrant(options, scheduler.now(), admitted);
  try {
    if (running.gate!.enter(entrant)) entrant.admit();
  } catch (thrown) {
    entrant.refuse(thrown as FleetError);
  }
  return entrant;
}
