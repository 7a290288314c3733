/** Who is in a pool: members added by hand, and those that a discovery lists, with what was changed of them since. */

import { Observable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import { requireOption } from '../../core/requireOption.js';
import type { Discovery, DiscoveryQuery } from '../../discovery/discovery.js';

/** One member, added by hand. */
export interface PoolMember<T> extends Omit<NodeInit, 'id'> {
  readonly id: string;
  /** What the pool holds of it. Default: what `open` makes. */
  readonly resource?: T;
}

interface Added<T> {
  readonly node: Node;
  readonly member: PoolMember<T>;
}

export class PoolMembers<T> {
  readonly #added = new Map<string, Added<T>>();
  readonly #listeners = new Set<() => void>();
  /** Of members that discovery lists: those that were taken out, and weights that were changed. */
  readonly #removed = new Set<string>();
  readonly #weights = new Map<string, number>();
  #discovered = NodeSet.empty;

  /** @throws FleetError `INVALID_OPTION` for a member that makes no sense, naming it. */
  constructor(members: readonly PoolMember<T>[]) {
    for (const member of members) {
      requireOption(!this.#added.has(member.id), 'members', 'of different ids', member.id);
      this.#put(member);
    }
  }

  /** Adds a member, in the place of the one of the same id. */
  add(member: PoolMember<T>): void {
    const { id } = member;
    this.#check(member);
    const before = this.#added.get(id);
    // Another resource is another member: the one that was leaves first, and what runs on it may end.
    if (before && before.member.resource !== member.resource) {
      this.#added.delete(id);
      this.#tell();
    }
    this.#removed.delete(id);
    this.#weights.delete(id);
    this.#put(member);
    this.#tell();
  }

  /** Takes a member out, until it is added again, or until discovery has dropped it and lists it anew. */
  remove(id: string): boolean {
    const known = this.#added.delete(id);
    const listed = this.#discovered.has(id) && !this.#removed.has(id);
    if (listed) this.#removed.add(id);
    if (known || listed) this.#tell();
    return known || listed;
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
  resource(id: string): { readonly value: T } | undefined {
    const member = this.#added.get(id)?.member;
    return member && 'resource' in member ? { value: member.resource! } : undefined;
  }

  /** What the pool takes for its discovery: the members added by hand, and those of this one. */
  discovery(inner: Discovery | undefined): Discovery {
    return (query) =>
      new Observable((subscriber) => {
        const tell = () => subscriber.next(this.#set(query));
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

  #set(query: DiscoveryQuery): NodeSet {
    const removed = this.#removed;
    const listed = removed.size > 0 ? this.#discovered.without(...removed) : this.#discovered;
    const changed: Node[] = [];
    for (const [id, weight] of this.#weights) {
      const node = listed.get(id);
      if (node && node.weight !== weight) changed.push(updateNode(node, { weight }));
    }
    const { service } = query;
    for (const { node } of this.#added.values()) changed.push(node.service ? node : updateNode(node, { service }));
    return listed.with(...changed);
  }

  #put(member: PoolMember<T>): void {
    this.#added.set(member.id, { member, node: this.#check(member) });
  }

  #check(member: PoolMember<T>): Node {
    const { id, resource: _, ...init } = member;
    requireOption(typeof id === 'string' && id !== '', 'member.id', 'a text', id);
    try {
      const address = init.address ?? init.addresses?.[0] ?? { host: id, port: 1 };
      return createNode({ sources: ['members'], ...init, id, address });
    } catch (thrown) {
      throw new FleetError('INVALID_OPTION', `member ${id}: ${FleetError.from(thrown).message}`, { cause: thrown });
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
