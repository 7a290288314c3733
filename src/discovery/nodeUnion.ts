/** The union of several sources' nodes, in which each node stands once; follows changes without looking at the rest. */

import { formatAddress, type Address } from '../core/address.js';
import { createNode, initialState, type Node } from '../core/node.js';
import type { NodeChanges } from '../core/nodeSet.js';
import { sameNode } from './sameNode.js';

/** What one source says of one node. */
interface Entry {
  readonly source: number;
  /** Place within its source: entries that came first rank first. */
  readonly order: number;
  readonly node: Node;
  readonly keys: readonly string[];
}

/** One node of the union, and who says something of it, by rank. */
interface Group {
  readonly node: Node;
  readonly entries: readonly Entry[];
}

/**
 * Entries are one node when their ids are equal or any of their addresses meet, and they come from different sources
 * (one source may list two nodes behind one address). The entry of the earliest source gives the identity.
 *
 * Entries are indexed by id and address. A change regroups only the entries that are linked to it, so that one node
 * out of 10,000 costs what one node costs.
 */
export class NodeUnion {
  readonly #entries = new Map<string, Entry>();
  readonly #byKey = new Map<string, Set<Entry>>();
  readonly #groups = new Map<string, Group>();
  #lastOrder = 0;

  /** Every node of the union. */
  *nodes(): Iterable<Node> {
    for (const { node } of this.#groups.values()) yield node;
  }

  /** The ids under which a source knows a node of the union. */
  idsAt(source: number, id: string): string[] {
    const entries = this.#groups.get(id)?.entries ?? [];
    return entries.filter((entry) => entry.source === source).map(({ node }) => node.id);
  }

  /** Takes in what changed at a source, and says what that changed in the union. */
  apply(source: number, { added, removed, updated }: NodeChanges): NodeChanges {
    const keys = new Set<string>();
    for (const { id } of removed) this.#remove(`${source} ${id}`, keys);
    for (const node of updated) this.#put(source, node, keys);
    for (const node of added) this.#put(source, node, keys);
    return this.#regroup(keys);
  }

  #put(source: number, node: Node, touched: Set<string>): void {
    const name = `${source} ${node.id}`;
    const order = this.#entries.get(name)?.order ?? ++this.#lastOrder;
    this.#remove(name, touched);
    const entry: Entry = { source, order, node, keys: [`id ${node.id}`, ...new Set(node.addresses.map(addressKey))] };
    this.#entries.set(name, entry);
    for (const key of entry.keys) {
      const linked = this.#byKey.get(key);
      if (linked) linked.add(entry);
      else this.#byKey.set(key, new Set([entry]));
      touched.add(key);
    }
  }

  #remove(name: string, touched: Set<string>): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    this.#entries.delete(name);
    for (const key of entry.keys) {
      touched.add(key);
      const linked = this.#byKey.get(key);
      linked?.delete(entry);
      if (linked?.size === 0) this.#byKey.delete(key);
    }
  }

  #regroup(touched: Set<string>): NodeChanges {
    const entries = new Set<Entry>();
    // A Set goes on to what is added while it is walked: the keys of all entries that are linked, near or far.
    for (const key of touched) {
      for (const entry of this.#byKey.get(key) ?? []) {
        if (entries.has(entry)) continue;
        entries.add(entry);
        for (const other of entry.keys) touched.add(other);
      }
    }
    const before = this.#dissolve(touched);
    const added: Node[] = [];
    const updated: Node[] = [];
    for (const members of grouped(entries)) {
      const { id } = members[0]!.node;
      const old = before.get(id);
      before.delete(id);
      const node = old && unchanged(old, members) ? old.node : kept(old?.node, joined(members.map((e) => e.node)));
      this.#groups.set(id, { node, entries: members });
      if (!old) added.push(node);
      else if (old.node !== node) updated.push(node);
    }
    return { added, updated, removed: [...before.values()].map(({ node }) => node) };
  }

  /** Takes the groups out that any of these ids leads to. */
  #dissolve(keys: Iterable<string>): Map<string, Group> {
    const taken = new Map<string, Group>();
    for (const key of keys) {
      if (!key.startsWith('id ')) continue;
      const id = key.slice(3);
      const group = this.#groups.get(id);
      if (!group) continue;
      taken.set(id, group);
      this.#groups.delete(id);
    }
    return taken;
  }
}

function addressKey(address: Address): string {
  return `at ${formatAddress(address).toLowerCase()}`;
}

/** Puts linked entries together: in the order of the sources, each joins the first node that it names, or is a new one. */
function grouped(entries: Iterable<Entry>): Entry[][] {
  const ranked = [...entries].sort((a, b) => a.source - b.source || a.order - b.order);
  const groups: Entry[][] = [];
  const groupAt = new Map<string, Entry[]>();
  let next: [Entry, Entry[]][] = [];
  const index = () => {
    for (const [entry, group] of next) for (const key of entry.keys) if (!groupAt.has(key)) groupAt.set(key, group);
    next = [];
  };
  let source = -1;
  for (const entry of ranked) {
    // Only now: entries of one source do not join each other.
    if (entry.source !== source) index();
    source = entry.source;
    let group: Entry[] | undefined;
    for (const key of entry.keys) {
      group = groupAt.get(key);
      if (group) break;
    }
    if (group) {
      group.push(entry);
    } else {
      group = [entry];
      groups.push(group);
    }
    next.push([entry, group]);
  }
  return groups;
}

function unchanged(group: Group, entries: readonly Entry[]): boolean {
  return group.entries.length === entries.length && group.entries.every((e, i) => e.node === entries[i]!.node);
}

function kept(before: Node | undefined, node: Node): Node {
  return before && sameNode(before, node) ? before : node;
}

/** One node out of what several sources say of it: the first says who it is, the others add what it lacks. */
function joined(nodes: readonly Node[]): Node {
  const [first] = nodes as [Node, ...Node[]];
  if (nodes.length === 1) return first;
  const addresses = new Map<string, Address>();
  for (const node of nodes) {
    for (const address of node.addresses) {
      const key = addressKey(address);
      if (!addresses.has(key)) addresses.set(key, address);
    }
  }
  const given = <K extends keyof Node>(key: K, isGiven: (node: Node) => boolean): Node[K] =>
    (nodes.find(isGiven) ?? first)[key];
  const judged = nodes.find(({ health }) => health !== initialState.health);
  const firstSeen = nodes.map((node) => node.firstSeen).filter((at) => at > 0);
  return createNode({
    ...first,
    name: given('name', ({ name, id }) => name !== id),
    service: given('service', ({ service }) => service !== ''),
    addresses: [...addresses.values()],
    namespace: given('namespace', ({ namespace }) => namespace !== undefined),
    version: given('version', ({ version }) => version !== undefined),
    zone: given('zone', ({ zone }) => zone !== undefined),
    region: given('region', ({ region }) => region !== undefined),
    tags: Object.assign({}, ...nodes.map(({ tags }) => tags).reverse()),
    metadata: Object.assign({}, ...nodes.map(({ metadata }) => metadata).reverse()),
    sources: [...new Set(nodes.flatMap(({ sources }) => sources))],
    firstSeen: firstSeen.length ? Math.min(...firstSeen) : 0,
    lastSeen: Math.max(...nodes.map((node) => node.lastSeen)),
    health: (judged ?? first).health,
    healthReason: (judged ?? first).healthReason,
    capabilities: given('capabilities', ({ capabilities }) => capabilities.length > 0),
    models: given('models', ({ models }) => models.length > 0),
    load: given('load', ({ load }) => Object.keys(load).length > 0),
  });
}
