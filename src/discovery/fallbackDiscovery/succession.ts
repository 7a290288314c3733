/** Who leads in a fallback, who is asked, and what is told: the state of one subscription. */

import { Subscription, type Observer, type SchedulerLike, type Unsubscribable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { Discovery, DiscoveryQuery } from '../discovery.js';
import { NodeLine } from '../nodeLine.js';

/** How long a discovery may have nothing, and be stale, in milliseconds. */
export interface Patience {
  readonly afterMs: number;
  readonly staleAfterMs: number;
}

/** One discovery that was asked. */
interface Heir {
  readonly subscription: Subscription;
  /** As it calls itself in its nodes and events. */
  name: string;
  set: NodeSet | undefined;
  failure: FleetError | undefined;
  ended: boolean;
  /** What is wrong with it; undefined while it has fresh nodes. */
  lack: 'end' | 'nothing' | 'stale' | undefined;
  /** It has lacked that for too long: the next one is asked. */
  given: boolean;
  /** Runs while it lacks something and is not given up yet. */
  patience: Subscription | undefined;
}

function lackOf({ set, ended, failure }: Heir): Heir['lack'] {
  if (failure) return 'end';
  if (!set?.size) return ended ? 'end' : 'nothing';
  return set.stale ? 'stale' : undefined;
}

/** Begins with `start()`; unsubscribing leaves everybody who was asked. */
export class Succession implements Unsubscribable {
  readonly #discoveries: readonly Discovery[];
  readonly #query: DiscoveryQuery;
  readonly #scheduler: SchedulerLike;
  readonly #waits: Patience;
  readonly #observer: Observer<NodeSet>;
  /** Those that are asked now; the first in the arguments first. */
  readonly #heirs: Heir[] = [];
  readonly #line = new NodeLine();
  /** Index of the one whose set was told last. */
  #leader = -1;
  #closed = false;

  constructor(
    discoveries: readonly Discovery[],
    query: DiscoveryQuery,
    scheduler: SchedulerLike,
    waits: Patience,
    observer: Observer<NodeSet>,
  ) {
    this.#discoveries = discoveries;
    this.#query = query;
    this.#scheduler = scheduler;
    this.#waits = waits;
    this.#observer = observer;
  }

  /** Begins with the first. */
  start(): void {
    this.#ask(0);
    this.#review();
  }

  unsubscribe(): void {
    this.#closed = true;
    this.#leave(0);
  }

  #ask(index: number): void {
    const subscription = new Subscription();
    const heir: Heir = {
      subscription,
      name: `discovery ${index + 1}`,
      set: undefined,
      failure: undefined,
      ended: false,
      lack: undefined,
      given: false,
      patience: undefined,
    };
    this.#heirs[index] = heir;
    const onEvent: DiscoveryQuery['onEvent'] = (event) => {
      heir.name = event.source;
      this.#query.onEvent?.(event);
    };
    this.#mind(index);
    try {
      subscription.add(
        this.#discoveries[index]!({ ...this.#query, onEvent }).subscribe({
          next: (set) => {
            // It may have been left while it was being subscribed to.
            if (subscription.closed) return;
            heir.set = set;
            heir.name = set.nodes[0]?.sources[0] ?? heir.name;
            this.#mind(index);
            this.#review();
          },
          error: (error: unknown) => this.#ended(index, FleetError.from(error, 'DISCOVERY_FAILED')),
          complete: () => this.#ended(index),
        }),
      );
    } catch (error) {
      this.#ended(index, FleetError.from(error, 'DISCOVERY_FAILED'));
    }
  }

  #ended(index: number, failure?: FleetError): void {
    const heir = this.#heirs[index];
    if (!heir || this.#closed) return;
    heir.ended = true;
    heir.failure = failure;
    if (failure) this.#tell('disconnected', heir.name, failure.message, failure);
    this.#mind(index);
    this.#review();
  }

  /** Whether its patience must run, be called off, or is at its end. */
  #mind(index: number): void {
    const heir = this.#heirs[index]!;
    const lack = lackOf(heir);
    if (lack !== heir.lack) {
      heir.patience?.unsubscribe();
      heir.patience = undefined;
      heir.given = false;
      heir.lack = lack;
    }
    if (lack === undefined || heir.given || heir.patience) return;
    const wait = { end: 0, nothing: this.#waits.afterMs, stale: this.#waits.staleAfterMs }[lack];
    if (wait === 0) heir.given = true;
    if (wait === 0 || wait === Infinity) return;
    heir.patience = this.#scheduler.schedule(() => {
      heir.given = true;
      this.#review();
    }, wait);
  }

  /** Asks whom it must, and tells what is best known now. */
  #review(): void {
    const heirs = this.#heirs;
    let lead = this.#best();
    while (!this.#closed && lead < 0 && heirs.at(-1)!.given && heirs.length < this.#discoveries.length) {
      this.#ask(heirs.length);
      lead = this.#best();
    }
    if (this.#closed) return;
    if (lead >= 0) {
      this.#leave(lead + 1);
      this.#lead(lead);
    } else {
      this.#nobody();
    }
    if (!this.#closed && heirs.every(({ ended }) => ended)) this.#close(() => this.#observer.complete());
  }

  /** The first that has nodes, and has not been given up for being stale. */
  #best(): number {
    return this.#heirs.findIndex(({ given, set, failure }) => !given && !failure && set?.size);
  }

  #nobody(): void {
    const heirs = this.#heirs;
    const failures = heirs.filter(({ failure }) => failure);
    if (failures.length === this.#discoveries.length) {
      this.#close(() => this.#observer.error(allFailed(failures)));
      return;
    }
    // Stale nodes are better than none.
    const known = heirs.findIndex(({ set, failure }) => set?.size && !failure);
    if (known >= 0) return this.#lead(known);
    const heard = heirs.every(({ given, set }) => given || set);
    const settled = heirs.length === this.#discoveries.length && heard;
    const said = heirs.findIndex(({ set, failure }) => set && !failure);
    const lost = heirs[this.#leader]?.failure;
    if (lost && !(settled && said >= 0)) return this.#keep(`${heirs[this.#leader]!.name} failed: ${lost.message}`);
    // At the start an empty word waits for what the next one says; later it is the state of the world.
    if (said >= 0 && (settled || this.#line.current)) this.#lead(said);
  }

  /** What was told last stays, stale. */
  #keep(reason: string): void {
    const before = this.#line.current;
    const stale = this.#line.stale(reason, this.#scheduler.now());
    if (stale && stale !== before) this.#observer.next(stale);
  }

  #lead(index: number): void {
    const heir = this.#heirs[index]!;
    const before = this.#line.current;
    const set = this.#line.next(heir, heir.set!);
    if (set.size > 0 && index !== this.#leader) this.#announce(index);
    this.#leader = index;
    if (set !== before) this.#observer.next(set);
  }

  #announce(index: number): void {
    const { name } = this.#heirs[index]!;
    const earlier = this.#heirs.slice(0, index).map((heir) => heir.name);
    if (index > 0) this.#tell('disconnected', 'fallback', `${earlier.join(', ')} has nothing: ${name} leads`);
    else if (this.#leader > 0) this.#tell('connected', 'fallback', `${name} has nodes again and leads`);
  }

  /** Leaves those from `index` on. */
  #leave(index: number): void {
    for (const heir of this.#heirs.splice(index)) {
      heir.patience?.unsubscribe();
      heir.subscription.unsubscribe();
    }
  }

  #close(last: () => void): void {
    this.#closed = true;
    last();
  }

  #tell(type: 'connected' | 'disconnected', source: string, message: string, cause?: unknown): void {
    this.#query.onEvent?.({ source, type, message, ...(cause === undefined ? {} : { cause }) });
  }
}

function allFailed(failures: readonly Heir[]): FleetError {
  if (failures.length === 1) return failures[0]!.failure!;
  return new FleetError(
    'DISCOVERY_FAILED',
    `every discovery failed: ${failures.map(({ name, failure }) => `${name}: ${failure!.message}`).join('; ')}`,
    { cause: failures[0]!.failure },
  );
}
