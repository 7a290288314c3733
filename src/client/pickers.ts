/** The pickers of a client: that of its balancer, and one for each other balancer that calls ask for. */

import { Subject, Subscription, type Observable } from 'rxjs';
import type { Balancer, BalancerPorts, Picker } from '../balancer/picker.js';
import { FleetError } from '../core/fleetError.js';
import { NodeSet } from '../core/nodeSet.js';

/** Each balancer that a call brings keeps a state of its own, so more than this many were made anew for each call. */
const most = 64;

/** A balancer at work. */
interface Seat {
  picker: Picker;
  /** What went wrong with it or with the nodes, once it has. */
  failure: FleetError | undefined;
  readonly picker$: Subject<Picker>;
  readonly subscription: Subscription;
}

export class Pickers {
  /** What went wrong with the nodes or the balancer, once it has. */
  failure: FleetError | undefined;
  readonly #nodes$: Observable<NodeSet>;
  readonly #ports: BalancerPorts;
  readonly #main: Seat;
  readonly #others = new Map<Balancer, Seat>();
  #closed = false;

  /** @param nodes$ emits the nodes at once, and then each change. */
  constructor(nodes$: Observable<NodeSet>, balancer: Balancer, ports: BalancerPorts) {
    this.#nodes$ = nodes$;
    this.#ports = ports;
    this.#main = this.#seat(balancer);
  }

  /**
   * The picker now.
   *
   * @throws FleetError `INVALID_OPTION` when calls bring too many different balancers; what went wrong with that of the call.
   */
  now(balancer: Balancer | undefined): Picker {
    return balancer === undefined ? this.#main.picker : this.#of(balancer).picker;
  }

  /** Each new picker; completes with the client. */
  changes(balancer: Balancer | undefined): Observable<Picker> {
    return balancer === undefined ? this.#main.picker$ : this.#of(balancer).picker$;
  }

  /** The nodes of a set that some picker may pick. */
  reach(set: NodeSet): NodeSet {
    const { reach } = this.#main.picker;
    if (!reach) return set;
    let all = reach;
    for (const { picker } of this.#others.values()) {
      if (!picker.reach) return set;
      if (picker.reach !== reach) all = all.with(...picker.reach.nodes.filter(({ id }) => !all.has(id)));
    }
    return all;
  }

  close(): void {
    this.#closed = true;
    for (const { picker$, subscription } of [this.#main, ...this.#others.values()]) {
      picker$.complete();
      subscription.unsubscribe();
    }
  }

  #of(balancer: Balancer): Seat {
    let seat = this.#others.get(balancer);
    if (!seat) {
      if (this.#others.size >= most) {
        const what = `calls brought ${most} different balancers: make each balancer once, outside the call`;
        throw new FleetError('INVALID_OPTION', `options.balancer: ${what}, since it remembers whose turn it is`);
      }
      seat = this.#seat(balancer);
      if (seat.failure) throw seat.failure;
      if (!this.#closed) this.#others.set(balancer, seat);
    }
    return seat;
  }

  #seat(balancer: Balancer): Seat {
    const ofCall = this.#main !== undefined;
    const picker$ = new Subject<Picker>();
    const subscription = new Subscription();
    const seat: Seat = { picker: undefined as never, failure: undefined, picker$, subscription };
    const picking = balancer(this.#nodes$, this.#ports).subscribe({
      next: (picker) => {
        seat.picker = picker;
        picker$.next(picker);
      },
      error: (error: unknown) => {
        const failure = FleetError.from(error, 'DISCOVERY_FAILED');
        seat.failure = failure;
        // The next call that brings it has it made anew: what broke it may be over, and its last picker knows nothing new.
        if (ofCall) this.#others.delete(balancer);
        else this.failure = failure;
        picker$.error(failure);
      },
    });
    subscription.add(picking);
    if (!seat.picker && !seat.failure) {
      subscription.unsubscribe();
      throw new FleetError('INVALID_OPTION', 'the balancer must yield a picker for each node set, at once');
    }
    return seat;
  }
}
