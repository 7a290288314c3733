/** A subscriber that remembers, and waits for what it expects. */

import { ok } from 'node:assert/strict';
import { filter, firstValueFrom, ReplaySubject, timeout } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { Discovery, DiscoveryEvent, DiscoveryQuery } from '../../discovery/discovery.js';
import { sameNode } from '../../discovery/sameNode.js';
import type { TestNode } from './testNode.js';

/** One subscriber, with all that it was told. */
export class Watch {
  /** Set when the source itself lists nothing. */
  mayBeEmpty = false;
  readonly events: DiscoveryEvent[] = [];
  readonly #sets: NodeSet[] = [];
  readonly #set$ = new ReplaySubject<NodeSet>(1);
  readonly #idOf: (node: TestNode) => string;
  readonly #timeoutMs: number;
  readonly #subscription;

  constructor(discovery: Discovery, query: DiscoveryQuery, idOf: (node: TestNode) => string, timeoutMs: number) {
    this.#idOf = idOf;
    this.#timeoutMs = timeoutMs;
    const set$ = discovery({ ...query, onEvent: (event) => this.events.push(event) });
    this.#subscription = set$.subscribe({
      next: (set) => {
        this.#sets.push(set);
        this.#set$.next(set);
      },
      error: (error: unknown) => this.#set$.error(error),
      complete: () => this.#set$.error(new FleetError('INTERNAL', 'a discovery lives until it is unsubscribed')),
    });
  }

  /** Everything that was told, in order. */
  get sets(): readonly NodeSet[] {
    return this.#sets;
  }

  /** The first set from now on that lists exactly these nodes, stale or not. */
  until(...nodes: TestNode[]): Promise<NodeSet> {
    const wanted = nodes.map(({ name, port }) => `${name}:${port}`).join(' ') || 'nothing';
    return this.#first((set) => lists(set, nodes, this.#idOf), `a set of ${wanted}`);
  }

  untilStale(stale: boolean): Promise<NodeSet> {
    return this.#first((set) => (set.stale !== undefined) === stale, stale ? 'a stale set' : 'a fresh set');
  }

  expect(set: NodeSet, nodes: readonly TestNode[]): void {
    ok(lists(set, nodes, this.#idOf), `expected ${nodes.map(({ name }) => name).join(' ')}, got ${drawn(set)}`);
  }

  /** What holds for whatever was told. */
  check(): void {
    this.#sets.forEach((set, index) => {
      const before = this.#sets[index - 1];
      if (!before) return;
      const { added, removed, updated } = set.changesSince(before);
      const changed = added.length + removed.length + updated.length > 0 || set.stale !== before.stale;
      for (const node of updated) {
        ok(!sameNode(node, before.get(node.id)!), `node ${node.id} did not change but has become another object`);
      }
      ok(changed, `set ${index + 1} says the same as the one before: ${drawn(set)}`);
      ok(this.mayBeEmpty || set.size > 0 || before.size === 0, `set ${index + 1} is empty by accident`);
    });
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #first(test: (set: NodeSet) => boolean, wanted: string): Promise<NodeSet> {
    const failed = () => {
      const last = this.#sets.at(-1);
      throw new FleetError('DEADLINE_EXCEEDED', `${wanted} did not come; the last was ${last ? drawn(last) : 'none'}`);
    };
    return firstValueFrom(this.#set$.pipe(filter(test), timeout({ each: this.#timeoutMs, with: failed })));
  }
}

function lists(set: NodeSet, nodes: readonly TestNode[], idOf: (node: TestNode) => string): boolean {
  return (
    set.size === nodes.length &&
    nodes.every((node) => set.get(idOf(node))?.addresses.every(({ port }) => port === node.port) ?? false)
  );
}

function drawn(set: NodeSet): string {
  const nodes = set.nodes.map(({ id, address }: Node) => `${id}:${address.port}`).join(' ') || 'nothing';
  return set.stale ? `${nodes} (stale: ${set.stale.reason})` : nodes;
}
