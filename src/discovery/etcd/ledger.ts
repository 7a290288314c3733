/** What is known of the keys under the prefixes: the nodes, and how far the knowledge reaches. */

import { FleetError } from '../../core/fleetError.js';
import { createNode, type Node, type NodeInit } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import { Event_EventType, type Event, type KeyValue } from '../../gen/etcd/kv_pb.js';
import { textOf } from './keyRange.js';
import type { EtcdEntry } from './layout.js';

interface Known {
  readonly modRevision: bigint;
  readonly lease: bigint;
  readonly value: Uint8Array;
  /** Undefined for an entry that is no node of ours. */
  readonly node: Node | undefined;
}

/** Something that proves that the store is the one we knew: a key as it stood at a revision. */
export interface Fingerprint {
  readonly key: Uint8Array;
  readonly modRevision: bigint;
  readonly lease: bigint;
  readonly value: Uint8Array;
}

export interface LedgerOptions {
  /** As the layout does, with the scope filled in. */
  readonly decode: (entry: EtcdEntry) => NodeInit | undefined;
  /** Told of each entry that is passed over, once for each form of it. */
  readonly skipped: (message: string, cause?: unknown) => void;
  readonly now: () => number;
}

/** Keys and nodes, changed by whole listings and whole revisions. */
export class Ledger {
  readonly #known = new Map<string, Known>();
  readonly #options: LedgerOptions;
  #set: NodeSet | undefined;
  /** Ids that several keys give, each told once. */
  #repeated: ReadonlySet<string> = new Set();
  #newest: { readonly key: Uint8Array; readonly name: string; readonly revision: bigint } | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** The nodes now; the same object until something changes. */
  get nodes(): NodeSet {
    return (this.#set ??= NodeSet.of(this.#distinct()));
  }

  /** The key that changed last; undefined when there is none to go by. */
  get fingerprint(): Fingerprint | undefined {
    const known = this.#newest && this.#known.get(this.#newest.name);
    if (!known) this.#newest = this.#findNewest();
    const { key, name } = this.#newest ?? {};
    const found = name === undefined ? undefined : this.#known.get(name);
    return found && { key: key!, modRevision: found.modRevision, lease: found.lease, value: found.value };
  }

  /** These are all the keys there are. Entries that did not change keep their node. */
  replace(entries: readonly KeyValue[]): void {
    const before = new Map(this.#known);
    this.#known.clear();
    this.#newest = undefined;
    // By age, so that of two keys with one id the same one counts as when they had been watched.
    for (const kv of [...entries].sort((a, b) => Number(a.modRevision - b.modRevision))) {
      this.#put(kv, before.get(nameOf(kv.key)));
    }
    this.#set = undefined;
  }

  /** These happened, in this order. */
  apply(events: readonly Event[]): void {
    for (const { type, kv } of events) {
      if (!kv) continue;
      const name = nameOf(kv.key);
      const before = this.#known.get(name);
      this.#known.delete(name);
      const node = type === Event_EventType.DELETE ? undefined : this.#put(kv, before);
      if (node !== before?.node) this.#derive(before?.node, node);
    }
  }

  /** The set with one node in the place of another, without looking at all of them where that will do. */
  #derive(before: Node | undefined, node: Node | undefined): void {
    const set = this.#set;
    if (!set) return;
    const moved = before !== undefined && node !== undefined && before.id !== node.id;
    const taken = node !== undefined && node.id !== before?.id && set.has(node.id);
    // Where several keys give one id, who counts is decided over all of them.
    if (moved || taken || this.#repeated.size > 0) this.#set = undefined;
    else this.#set = node ? set.with(node) : set.without(before!.id);
  }

  #put(kv: KeyValue, before: Known | undefined): Node | undefined {
    const { key, value, modRevision, lease } = kv;
    // A heartbeat that puts the same again is no change.
    const same = before !== undefined && sameBytes(before.value, value);
    const node = same ? before.node : this.#decode(key, value);
    const name = nameOf(key);
    // A copy, so that one value does not keep the whole answer that it came in.
    this.#known.set(name, { modRevision, lease, value: same ? before.value : value.slice(), node });
    if (!this.#newest || this.#newest.revision <= modRevision) this.#newest = { key, name, revision: modRevision };
    return node;
  }

  #decode(keyBytes: Uint8Array, valueBytes: Uint8Array): Node | undefined {
    const key = textOf(keyBytes);
    const value = textOf(valueBytes);
    try {
      if (key === undefined || value === undefined) throw new FleetError('BAD_SCHEMA', 'it is not UTF-8');
      const init = this.#options.decode({ key, value });
      if (!init) return undefined;
      const seen = this.#options.now();
      return createNode({ firstSeen: seen, lastSeen: seen, ...init });
    } catch (error) {
      const { detail } = FleetError.from(error);
      this.#options.skipped(`etcd: passed over the key ${key ?? nameOf(keyBytes)}: ${detail}`, error);
      return undefined;
    }
  }

  #distinct(): Node[] {
    const nodes: Node[] = [];
    const ids = new Set<string>();
    const repeated = new Set<string>();
    for (const { node } of this.#known.values()) {
      if (!node) continue;
      if (ids.has(node.id)) repeated.add(node.id);
      ids.add(node.id);
      nodes.push(node);
    }
    for (const id of repeated) {
      if (this.#repeated.has(id)) continue;
      this.#options.skipped(`etcd: several keys give the node id "${id}": the one that changed last counts`);
    }
    this.#repeated = repeated;
    return nodes;
  }

  #findNewest() {
    let newest: { key: Uint8Array; name: string; revision: bigint } | undefined;
    for (const [name, { modRevision }] of this.#known) {
      if (newest && newest.revision >= modRevision) continue;
      newest = { key: Uint8Array.from(name, (letter) => letter.charCodeAt(0)), name, revision: modRevision };
    }
    return newest;
  }
}

/** One letter a byte, so that no two keys meet. */
function nameOf(key: Uint8Array): string {
  let name = '';
  for (const byte of key) name += String.fromCharCode(byte);
  return name;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
