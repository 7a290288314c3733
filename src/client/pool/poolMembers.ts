/** Who is in a pool: members added by hand, and those that a discovery lists, with what was changed of them since. */

import { Observable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import { requireOption } from '../../core/requireOption.js';
import type { Discovery } from '../../discovery/discovery.js';
import { GivenResource } from './givenResource.js';

/** One member, added by hand. */
export interface PoolMember<T> extends Omit<NodeInit, 'id'> {
  readonly id: string;
  /** What the pool holds of it. Default: what `open` makes. */
  readonly resource?: T;
}

interface Added<T> {
  readonly node: Node;
  readonly given: GivenResource<T> | undefined;
}

/** What members need of their pool. */
export interface MemberPorts<T> {
  /** The service of members that do not say theirs. */
  readonly service: string;
  /** Ends a resource that a member brought. */
  readonly end: (resource: T) => void;
}

export class PoolMembers<T> {
  readonly #added = new Map<string, Added<T>>();
  readonly #given = new Map<T, GivenResource<T>>();
  readonly #listeners = new Set<() => void>();
  /** Of members that discovery lists: those that were taken out, and weights that were changed. */
  readonly #removed = new Set<string>();
  readonly #weights = new Map<string, number>();
  readonly #reweighted = new WeakMap<Node, Node>();
  #discovered = NodeSet.empty;

  /** @throws FleetError `INVALID_OPTION` for a member that makes no sense, naming it. */
  constructor(
    members: readonly PoolMember<T>[],
    private readonly ports: MemberPorts<T>,
  ) {
    for (const member of members) {
      requireOption(!this.#added.has(member.id), 'members', 'of different ids', member.id);
      this.#added.set(member.id, this.#entry(member));
    }
  }

  /** Adds a member, in the place of the one of the same id. */
  add(member: PoolMember<T>): void {
    const { id } = member;
    const entry = this.#entry(member);
    // Another resource is another member: the one that was leaves first, and what runs on it may end.
    if (this.#added.get(id)?.given !== entry.given) this.remove(id);
    this.#removed.delete(id);
    this.#weights.delete(id);
    const before = this.#added.get(id);
    this.#added.set(id, entry);
    this.#tell();
    before?.given?.release();
  }

  /** Takes a member out, until it is added again, or until discovery has dropped it and lists it anew. */
  remove(id: string): boolean {
    const added = this.#added.get(id);
    const listed = this.#discovered.has(id) && !this.#removed.has(id);
    if (!added && !listed) return false;
    this.#added.delete(id);
    if (listed) this.#removed.add(id);
    this.#tell();
    added?.given?.release();
    return true;
  }

  /** The pool is gone, and with it what its members brought. */
  close(): void {
    const added = [...this.#added.values()];
    this.#added.clear();
    for (const { given } of added) given?.release();
  }

  /** Changes the share of a member. */
  reweight(id: string, weight: number): boolean {
    requireOption(weight >= 0 && Number.isFinite(weight), 'weight', 'a number of at least 0', weight);
    const added = this.#added.get(id);
    if (added) this.#added.set(id, { ...added, node: updateNode(added.node, { weight }) });
    else if (this.#discovered.has(id)) this.#weights.set(id, weight);
    else return false;
    this.#tell();
    return true;
  }

  /** The resource that a member was added with. */
  given(id: string): GivenResource<T> | undefined {
    return this.#added.get(id)?.given;
  }

  /** What the pool takes for its discovery: the members added by hand, and those of this one. */
  discovery(inner: Discovery | undefined): Discovery {
    return (query) =>
      new Observable((subscriber) => {
        const tell = () => subscriber.next(this.#set());
        this.#listeners.add(tell);
        subscriber.add(() => this.#listeners.delete(tell));
        if (!inner) return tell();
        if (this.#added.size > 0) tell();
        subscriber.add(
          inner(query).subscribe({
            next: (set) => {
              this.#follow(set);
              tell();
            },
            error: (error: unknown) => subscriber.error(error),
          }),
        );
      });
  }

  #follow(set: NodeSet): void {
    for (const { id } of set.changesSince(this.#discovered).removed) {
      this.#removed.delete(id);
      this.#weights.delete(id);
    }
    this.#discovered = set;
  }

  #set(): NodeSet {
    const removed = this.#removed;
    const listed = removed.size > 0 ? this.#discovered.without(...removed) : this.#discovered;
    const reweighted: Node[] = [];
    for (const [id, weight] of this.#weights) {
      const node = listed.get(id);
      if (node && node.weight !== weight) reweighted.push(this.#reweigh(node, weight));
    }
    const added = Array.from(this.#added.values(), ({ node }) => node);
    return listed.with(...reweighted, ...added);
  }

  /** The same object each time, so that a member that did not change is not told as changed. */
  #reweigh(node: Node, weight: number): Node {
    let reweighted = this.#reweighted.get(node);
    if (reweighted?.weight !== weight) {
      reweighted = updateNode(node, { weight });
      this.#reweighted.set(node, reweighted);
    }
    return reweighted;
  }

  /** What is kept of a member; of its resource it is a holder. */
  #entry(member: PoolMember<T>): Added<T> {
    const node = this.#nodeOf(member);
    return { node, given: 'resource' in member ? this.#hold(member.resource!) : undefined };
  }

  #hold(resource: T): GivenResource<T> {
    let given = this.#given.get(resource);
    if (!given) {
      given = new GivenResource(resource, () => {
        this.#given.delete(resource);
        this.ports.end(resource);
      });
      this.#given.set(resource, given);
    }
    given.hold();
    return given;
  }

  #nodeOf(member: PoolMember<T>): Node {
    const { id, resource: _, ...init } = member;
    requireOption(typeof id === 'string' && id !== '', 'member.id', 'a text', id);
    try {
      const address = init.address ?? init.addresses?.[0] ?? { host: id, port: 1 };
      const service = init.service || this.ports.service;
      return createNode({ sources: ['members'], ...init, id, address, service });
    } catch (thrown) {
      throw new FleetError('INVALID_OPTION', `member ${id}: ${FleetError.from(thrown).message}`, { cause: thrown });
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
