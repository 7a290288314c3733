/** A balancer over groups of nodes: the group is drawn first, then the group's own balancer picks the node. */

import { EMPTY, catchError, Observable, Subject, Subscription, type Subscriber } from 'rxjs';
import type { Node } from '../core/node.js';
import { NodeFilter } from '../core/nodeFilter.js';
import { NodeSet, type NodeChanges } from '../core/nodeSet.js';
import type { Grouping, Part, Spread } from './grouped/grouping.js';
import { GroupPicker } from './grouped/groupPicker.js';
import type { Balancer, BalancerPorts, BalancerTraits, Picker } from './picker.js';

/**
 * Splits each set by the grouping, shows each group its part, and yields a picker over all of them.
 *
 *     nodes$     a------      a = x y (group 1) z (group 2)
 *     pick(k)    -k-l-k-      k draws group 1, l group 2
 *     picked     -x-z-y-
 *
 * Equal keys draw the same group for as long as the shares stand. A call whose group has nobody for it, or nobody that
 * was not tried already, goes to another where the grouping lets it. The state of a group's balancer lasts as long as
 * somebody is in the group. What the callbacks throw is the error of the stream.
 */
export function grouped(set$: Observable<NodeSet>, grouping: Grouping, ports?: BalancerPorts): Observable<Picker> {
  return new Observable((subscriber) => {
    const groups = new Groups(grouping, ports, subscriber);
    subscriber.add(groups.life);
    if (grouping.changed$) {
      const changes$ = grouping.changed$.pipe(catchError(() => EMPTY));
      subscriber.add(changes$.subscribe(() => groups.spreadAgain()));
    }
    subscriber.add(
      set$.subscribe({
        next: (set) => groups.follow(set),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
  });
}

/** What can be said of a balancer over groups, by those within. */
export function traitsOver(name: string, within: readonly Balancer[]): BalancerTraits {
  return {
    name,
    weighted: within.some(({ traits }) => traits?.weighted ?? true),
    keyed: within.every(({ traits }) => traits?.keyed ?? false),
  };
}

/** The nodes of one group, and what picks among them. */
interface Group {
  readonly name: string;
  readonly set$: Subject<NodeSet>;
  readonly filter: NodeFilter;
  readonly working: Subscription;
  /** What its balancer was shown last. */
  shown: NodeSet | undefined;
  picker: Picker | undefined;
}

/** The groups of one subscription. */
class Groups {
  readonly life = new Subscription();
  readonly #grouping: Grouping;
  readonly #ports: BalancerPorts | undefined;
  readonly #subscriber: Subscriber<Picker>;
  readonly #byName = new Map<string, Group>();
  /** Those of `#byName` in their order. */
  #ordered: readonly Group[] = [];
  readonly #whole: Group | undefined;
  #set: NodeSet | undefined;
  #parts: readonly Part[] = [];
  #spread: Spread | undefined;
  #feeding = false;

  constructor(grouping: Grouping, ports: BalancerPorts | undefined, subscriber: Subscriber<Picker>) {
    this.#grouping = grouping;
    this.#ports = ports;
    this.#subscriber = subscriber;
    for (const name of grouping.names ?? []) this.#admit(name);
    this.#ordered = [...this.#byName.values()];
    // What it would tell of a node, the group of the node tells.
    if (grouping.whole) this.#whole = this.#group('', () => true, undefined);
  }

  follow(set: NodeSet): void {
    this.#try(() => {
      const changes = set.changesSince(this.#set ?? NodeSet.empty);
      this.#set = set;
      if (!this.#grouping.names) this.#admitNew(changes);
      const parts = this.#ordered.map(({ name, filter }) => ({ name, nodes: filter.next(set, changes) }));
      this.#parts = this.#grouping.names ? parts : this.#dismissEmpty(parts);
      this.#feed(set);
    });
  }

  spreadAgain(): void {
    const set = this.#set;
    if (set) this.#try(() => this.#feed(set));
  }

  #admitNew({ added, updated }: NodeChanges): void {
    const before = this.#byName.size;
    const look = (node: Node) => {
      const name = this.#grouping.groupOf(node);
      if (name !== undefined && !this.#byName.has(name)) this.#admit(name);
    };
    added.forEach(look);
    updated.forEach(look);
    if (this.#byName.size === before) return;
    this.#ordered = [...this.#byName.values()].sort((a, b) => this.#compare(a.name, b.name));
  }

  #dismissEmpty(parts: readonly Part[]): readonly Part[] {
    if (parts.every(({ nodes }) => nodes.size > 0)) return parts;
    for (const { name, nodes } of parts) {
      if (nodes.size > 0) continue;
      const { working } = this.#byName.get(name)!;
      this.#byName.delete(name);
      working.unsubscribe();
      this.life.remove(working);
    }
    this.#ordered = this.#ordered.filter(({ name }) => this.#byName.has(name));
    return parts.filter(({ nodes }) => nodes.size > 0);
  }

  #compare(a: string, b: string): number {
    return this.#grouping.compare?.(a, b) ?? (a < b ? -1 : 1);
  }

  #admit(name: string): void {
    this.#byName.set(
      name,
      this.#group(name, (node) => this.#grouping.groupOf(node) === name, this.#ports),
    );
  }

  #group(name: string, test: (node: Node) => boolean, ports: BalancerPorts | undefined): Group {
    const set$ = new Subject<NodeSet>();
    const working = new Subscription();
    const group: Group = {
      ...{ name, set$, working },
      filter: new NodeFilter(test),
      shown: undefined,
      picker: undefined,
    };
    this.life.add(working);
    working.add(
      this.#grouping
        .balancerOf(name)(set$, ports)
        .subscribe({
          next: (picker) => {
            group.picker = picker;
            // A balancer may change its mind without a new set.
            if (!this.#feeding) this.#tell();
          },
          error: (error: unknown) => this.#subscriber.error(error),
        }),
    );
    return group;
  }

  #feed(set: NodeSet): void {
    const spread = this.#grouping.spread(this.#parts, set);
    this.#spread = spread;
    this.#feeding = true;
    try {
      this.#ordered.forEach((group, i) => show(group, spread.shown?.[i] ?? this.#parts[i]!.nodes));
      if (this.#whole) show(this.#whole, set);
    } finally {
      this.#feeding = false;
    }
    this.#tell();
  }

  #tell(): void {
    const groups = this.#whole ? [...this.#ordered, this.#whole] : this.#ordered;
    if (!this.#set || !this.#spread || !groups.every(hasPicker)) return;
    const picking = groups.map(({ name, picker }) => ({ name, picker }));
    this.#subscriber.next(new GroupPicker(this.#set, picking, this.#grouping, this.#spread));
  }

  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#subscriber.error(error);
    }
  }
}

function show(group: Group, nodes: NodeSet): void {
  if (nodes === group.shown) return;
  group.shown = nodes;
  group.set$.next(nodes);
}

function hasPicker(group: Group): group is Group & { picker: Picker } {
  return group.picker !== undefined;
}
