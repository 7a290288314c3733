/** What a client knows of the resources that it asks for; outlives the streams that it learnt it from. */

import type { FactsOf, ResourceKind } from './resourceKind.js';
import { resourceKinds } from './resourceKind.js';

/**
 * `asked`: nothing heard yet. `known`: has facts; `kept`: although a bad form came later, or it was deleted. `missing`:
 * the control plane says that it does not exist. `refused`: all that came of it was bad; `late`: nothing came.
 */
export type Knowledge<T> =
  | { readonly state: 'known'; readonly facts: T; readonly version: string; readonly kept?: 'refused' | 'deleted' }
  | { readonly state: 'asked' | 'missing' }
  | { readonly state: 'refused'; readonly late: boolean };

/** Names of resources, by kind. */
export type Names = Readonly<Record<ResourceKind, ReadonlySet<string>>>;

type Shelves = { readonly [K in ResourceKind]: Map<string, Knowledge<FactsOf[K]>> };

const asked = Object.freeze({ state: 'asked' });

/** The facts of what is wanted, and the version of each kind that was last accepted whole. */
export class ResourceStore {
  readonly #shelves: Shelves = { listener: new Map(), routes: new Map(), cluster: new Map(), endpoints: new Map() };
  readonly #versions = new Map<ResourceKind, string>();

  /** Undefined for what is not wanted. */
  get<K extends ResourceKind>(kind: K, name: string): Knowledge<FactsOf[K]> | undefined {
    return this.#shelves[kind].get(name);
  }

  /** What is wanted of a kind. */
  names(kind: ResourceKind): ReadonlySet<string> {
    return new Set(this.#shelves[kind].keys());
  }

  /** Asks for these and no others; forgets what is not wanted any more. */
  want(names: Names): void {
    for (const kind of resourceKinds) {
      const shelf = this.#shelves[kind] as Map<string, Knowledge<unknown>>;
      for (const name of shelf.keys()) if (!names[kind].has(name)) shelf.delete(name);
      for (const name of names[kind]) if (!shelf.has(name)) shelf.set(name, asked as Knowledge<unknown>);
    }
  }

  accept<K extends ResourceKind>(kind: K, name: string, facts: FactsOf[K], version: string): void {
    this.#set(kind, name, { state: 'known', facts, version });
  }

  /** Keeps what was known before (gRFC A88). */
  refuse(kind: ResourceKind, name: string): void {
    if (!this.#keep(kind, name, 'refused')) this.#set(kind, name, { state: 'refused', late: false });
  }

  /** It was deleted, and what was known is kept all the same (gRFC A53). */
  keep(kind: ResourceKind, name: string): void {
    this.#keep(kind, name, 'deleted');
  }

  /** Nothing came of it in time, which is the fault of the control plane (gRFC A88). */
  late(kind: ResourceKind, name: string): void {
    this.#set(kind, name, { state: 'refused', late: true });
  }

  remove(kind: ResourceKind, name: string): void {
    this.#set(kind, name, { state: 'missing' });
  }

  /** The version of the last answer of this kind without an error; empty before there was one. */
  version(kind: ResourceKind): string {
    return this.#versions.get(kind) ?? '';
  }

  accepted(kind: ResourceKind, version: string): void {
    this.#versions.set(kind, version);
  }

  /** The version of each resource of a kind that is known, by its name. */
  knownVersions(kind: ResourceKind): Record<string, string> {
    const versions: Record<string, string> = {};
    for (const [name, each] of this.#shelves[kind]) if (each.state === 'known') versions[name] = each.version;
    return versions;
  }

  #keep(kind: ResourceKind, name: string, kept: 'refused' | 'deleted'): boolean {
    const before = this.get(kind, name);
    if (before?.state !== 'known') return false;
    this.#set(kind, name, { ...before, kept });
    return true;
  }

  #set(kind: ResourceKind, name: string, knowledge: Knowledge<unknown>): void {
    const shelf = this.#shelves[kind] as Map<string, Knowledge<unknown>>;
    if (shelf.has(name)) shelf.set(name, knowledge);
  }
}
