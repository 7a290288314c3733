/** The instances that are named on the network, each with the node that its records make. */

import { createNode, updateNode, type Node } from '../../core/node.js';
import type { FollowUps } from './followUps.js';
import { readInstance, type Place } from './instance.js';
import { instanceName, instanceOf, nameKey } from './name.js';
import type { CachedRecord, RecordCache } from './recordCache.js';
import type { MdnsRecord, Question } from './packet.js';

export interface InstanceIndexOptions {
  /** What `Node.service` says. */
  readonly service: string;
  /** Such as `_lumen._tcp.local`. */
  readonly type: string;
  readonly cache: RecordCache;
  readonly followUps: FollowUps;
  /** The interface of a name. */
  readonly place: (link: string) => Place;
}

interface Instance {
  readonly id: string;
  readonly name: string;
  /** The keys of the hosts that it runs on. */
  hosts: readonly string[];
  node: Node | undefined;
  /** What the node was made of, to tell whether anything has changed. */
  print: string;
  /** Until when it is held back, in milliseconds since the epoch. */
  heldUntil: number;
}

/**
 * How long an instance is held back of which only link-local IPv6 addresses are known, in milliseconds: many servers
 * listen on IPv4 alone, and a first dial to IPv6 would fail.
 */
const holdMs = 500;

export class InstanceIndex {
  readonly #options: InstanceIndexOptions;
  readonly #instances = new Map<string, Instance>();
  readonly #byHost = new Map<string, Set<string>>();
  readonly #held = new Set<string>();
  #dirty = new Set<string>();

  constructor(options: InstanceIndexOptions) {
    this.#options = options;
  }

  /** True when the record says something about a known instance. */
  concerns(record: MdnsRecord): boolean {
    if (record.type === 'PTR') return true;
    const named = record.type === 'SRV' || record.type === 'TXT' ? this.#instances : this.#byHost;
    return named.has(nameKey(record.name));
  }

  /** True when an instance runs on this host. */
  hasHost(host: string): boolean {
    return this.#byHost.has(nameKey(host));
  }

  /** Something about this record has changed: it came, went or was replaced. */
  touch(record: MdnsRecord): void {
    if (record.type === 'PTR') this.#dirty.add(nameKey(record.target));
    else if (record.type === 'SRV' || record.type === 'TXT') this.#dirty.add(nameKey(record.name));
    else for (const key of this.#byHost.get(nameKey(record.name)) ?? []) this.#dirty.add(key);
  }

  /** When to `settle` next even if nothing is heard. */
  get nextAt(): number {
    return Math.min(Infinity, ...[...this.#held].map((key) => this.#instances.get(key)?.heldUntil ?? 0));
  }

  /** Reads again what was touched; the nodes that are new or changed, and the ids of those that are gone. */
  settle(now: number): { readonly changed: readonly Node[]; readonly gone: readonly string[] } {
    const changed: Node[] = [];
    const gone: string[] = [];
    for (const key of this.#held) {
      if ((this.#instances.get(key)?.heldUntil ?? 0) > now) continue;
      this.#held.delete(key);
      this.#dirty.add(key);
    }
    if (this.#dirty.size === 0) return { changed, gone };
    const { cache, type } = this.#options;
    const named = new Map<string, string>();
    for (const { record } of cache.get(type, 'PTR')) {
      if (record.type === 'PTR') named.set(nameKey(record.target), record.target);
    }
    const keys = this.#dirty;
    this.#dirty = new Set();
    for (const key of keys) {
      const name = named.get(key);
      const before = this.#instances.get(key)?.node;
      const after = name === undefined ? this.#forget(key) : this.#read(key, name, now);
      if (after && after !== before) changed.push(after);
      else if (!after && before) gone.push(before.id);
    }
    return { changed, gone };
  }

  /** Everything that says that this instance is there, and how to ask for it; undefined when it is not known. */
  evidence(
    id: string,
  ): { readonly records: readonly CachedRecord[]; readonly questions: readonly Question[] } | undefined {
    const { cache, type } = this.#options;
    const key = nameKey(instanceName(id, type));
    const instance = this.#instances.get(key);
    if (!instance) return undefined;
    const { name, hosts } = instance;
    const pointers = cache
      .get(type, 'PTR')
      .filter(({ record }) => record.type === 'PTR' && nameKey(record.target) === key);
    const addresses = hosts.flatMap((host) => [...cache.get(host, 'A'), ...cache.get(host, 'AAAA')]);
    return {
      records: [...pointers, ...cache.get(name, 'SRV'), ...addresses],
      questions: [
        { name: type, type: 'PTR' },
        { name, type: 'SRV' },
        ...hosts.flatMap((host): Question[] => [
          { name: host, type: 'A' },
          { name: host, type: 'AAAA' },
        ]),
      ],
    };
  }

  #forget(key: string): undefined {
    const instance = this.#instances.get(key);
    if (instance) this.#setHosts(key, instance, []);
    this.#instances.delete(key);
    this.#options.followUps.set(key, [], 0);
  }

  #read(key: string, name: string, now: number): Node | undefined {
    const { service, type, cache, followUps, place } = this.#options;
    const instance: Instance = this.#instances.get(key) ?? {
      ...{ id: instanceOf(name, type)!, name, hosts: [], node: undefined, print: '', heldUntil: now + holdMs },
    };
    this.#instances.set(key, instance);
    const { addresses, hosts, metadata, said, missing, makeshift } = readInstance(cache, instance.name, place);
    this.#setHosts(key, instance, hosts);
    followUps.set(key, missing, now);
    const print = JSON.stringify([addresses, Object.entries(metadata)]);
    const { id, node } = instance;
    if (!node && makeshift && now < instance.heldUntil) {
      this.#held.add(key);
    } else if (addresses.length === 0) {
      instance.node = undefined;
    } else if (!node) {
      const facts = { id, name: id, service, addresses, metadata, ...said, sources: ['mdns'] };
      instance.node = createNode({ ...facts, firstSeen: now, lastSeen: now });
    } else if (print !== instance.print) {
      instance.node = updateNode(node, { address: addresses[0]!, addresses, metadata, ...said, lastSeen: now });
    }
    instance.print = print;
    return instance.node;
  }

  #setHosts(key: string, instance: Instance, hosts: readonly string[]): void {
    for (const host of instance.hosts) {
      const keys = this.#byHost.get(host);
      keys?.delete(key);
      if (keys?.size === 0) this.#byHost.delete(host);
    }
    for (const host of hosts) this.#byHost.set(host, (this.#byHost.get(host) ?? new Set()).add(key));
    instance.hosts = hosts;
  }
}
