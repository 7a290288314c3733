/** Tells where a client of xDS stands. */

import { resourceTypeOf, resourceKinds, type ResourceKind } from './resourceKind.js';
import type { Knowledge, ResourceStore } from './resourceStore.js';
import type { XdsCacheState, XdsEvent, XdsResourceCount } from './xdsEvent.js';

let clients = 0;

export class ClientReport {
  readonly #client = ++clients;
  readonly #store: ResourceStore;
  readonly #tell: (event: XdsEvent) => void;
  readonly #servers = new Map<string, boolean>();
  #told = '[[],[]]';
  #over = false;

  constructor(store: ResourceStore, tell: (event: XdsEvent) => void) {
    this.#store = store;
    this.#tell = tell;
  }

  dialled(server: string): void {
    if (!this.#servers.has(server)) this.#connected(server, true);
  }

  answered(server: string): void {
    this.#connected(server, true);
  }

  /** It cannot be reached, or it ended the stream without an answer. */
  failed(server: string): void {
    this.#connected(server, false);
  }

  updated(server: string, kind: ResourceKind, valid: number, invalid: number): void {
    if (this.#over) return;
    this.#tell({ type: 'update', client: this.#client, server, resourceType: resourceTypeOf(kind), valid, invalid });
  }

  /** What is known of resources may be another. */
  changed(): void {
    this.#say(
      Array.from(this.#servers, ([server, connected]) => ({ server, connected })),
      countsOf(this.#store),
    );
  }

  /** Who is told of something may end the client amid it: then nothing more is said. */
  ended(): void {
    this.#say([], []);
    this.#over = true;
  }

  #connected(server: string, connected: boolean): void {
    if (this.#servers.get(server) === connected) return;
    this.#servers.set(server, connected);
    this.changed();
  }

  #say(servers: { readonly server: string; readonly connected: boolean }[], resources: XdsResourceCount[]): void {
    const text = JSON.stringify([servers, resources]);
    if (text === this.#told || this.#over) return;
    this.#told = text;
    this.#tell({ type: 'state', client: this.#client, servers, resources });
  }
}

function countsOf(store: ResourceStore): XdsResourceCount[] {
  const counts: XdsResourceCount[] = [];
  for (const kind of resourceKinds) {
    const alike = new Map<string, number>();
    for (const name of store.names(kind)) {
      const key = `${cacheStateOf(store.get(kind, name)!)} ${authorityOf(name)}`;
      alike.set(key, (alike.get(key) ?? 0) + 1);
    }
    for (const [key, count] of alike) {
      const [cacheState, authority] = key.split(' ') as [XdsCacheState, string];
      counts.push({ resourceType: resourceTypeOf(kind), authority, cacheState, count });
    }
  }
  return counts;
}

function cacheStateOf(knowledge: Knowledge<unknown>): XdsCacheState {
  switch (knowledge.state) {
    case 'asked':
      return 'requested';
    case 'missing':
      return 'does_not_exist';
    case 'refused':
      return knowledge.late ? 'timeout' : 'nacked';
    case 'known':
      if (knowledge.kept === undefined) return 'acked';
      return knowledge.kept === 'refused' ? 'nacked_but_cached' : 'does_not_exist_but_cached';
  }
}

function authorityOf(name: string): string {
  return /^xdstp:\/\/([^/ ]*)\//.exec(name)?.[1] ?? '#old';
}
