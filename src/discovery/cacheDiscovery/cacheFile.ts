/** The file of a cache: JSON with a version, replaced as a whole, read without trust. */

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs';
import { dirname } from 'node:path';
import {
  bindNodeCallback,
  catchError,
  concat,
  concatMap,
  ignoreElements,
  map,
  of,
  throwError,
  type Observable,
} from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { formatAddress, sameAddress } from '../../core/address.js';
import { initialState, updateNode, type Health, type Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import { isRecord, readNode } from '../readNode.js';
import type { Remembered } from './remembered.js';

const format = 'rxfleet node cache';
const version = 1;
/** A service that nobody asked for in so long is dropped from a shared file. */
const forgottenMs = 30 * 86_400_000;

interface Entry {
  readonly savedAt: number;
  readonly nodes: readonly unknown[];
}

type Document = Readonly<Record<string, Entry>>;

const read$ = bindNodeCallback(readFile as (path: string, encoding: 'utf8', done: Done<string>) => void);
const write$ = bindNodeCallback(
  writeFile as (path: string, text: string, options: { mode: number; flush: boolean }, done: Done<void>) => void,
);
const rename$ = bindNodeCallback(rename as (from: string, to: string, done: Done<void>) => void);
const mkdir$ = bindNodeCallback(mkdir as (path: string, options: { recursive: true }, done: Done<unknown>) => void);
const rm$ = bindNodeCallback(rm as (path: string, options: { force: true }, done: Done<void>) => void);

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;
type Skipped = (message: string, cause?: unknown) => void;

let lastWrite = 0;

export class CacheFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** What it holds of one service; undefined when nothing. Never errors: what is wrong is told. */
  load(key: string, skipped: Skipped): Observable<Remembered | undefined> {
    return this.#document(skipped).pipe(
      map((document) => {
        const entry = document[key];
        return entry && { set: this.#set(entry, skipped), at: entry.savedAt };
      }),
    );
  }

  /** Puts one service in, leaves the others, and replaces the file in one step. */
  save(key: string, { set, at }: Remembered): Observable<never> {
    // One of its own for each write, so that two writers never write into each other's.
    const draft = `${this.path}.${process.pid}.${++lastWrite}.tmp`;
    const entry: Entry = { savedAt: at, nodes: set.nodes.map(written) };
    const replaced$ = this.#document(() => undefined).pipe(
      concatMap((before) => {
        const services = Object.fromEntries(
          Object.entries(before).filter(([, { savedAt }]) => savedAt > at - forgottenMs),
        );
        const text = JSON.stringify({ format, version, services: { ...services, [key]: entry } });
        // Flushed before it takes the place of the old one: a power cut leaves one of the two, not neither.
        return concat(
          mkdir$(dirname(this.path), { recursive: true }),
          write$(draft, text, { mode: 0o600, flush: true }),
          rename$(draft, this.path),
        );
      }),
      ignoreElements(),
    );
    return replaced$.pipe(
      catchError((error: unknown) =>
        concat(
          rm$(draft, { force: true }).pipe(
            ignoreElements(),
            catchError(() => of()),
          ),
          throwError(() => error),
        ),
      ),
    );
  }

  #document(skipped: Skipped): Observable<Document> {
    return read$(this.path, 'utf8').pipe(
      map((text) => parsed(text)),
      catchError((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          skipped(
            `the cache ${this.path} is not used: ${error instanceof Error ? error.message : String(error)}`,
            error,
          );
        }
        return of({});
      }),
    );
  }

  #set({ nodes }: Entry, skipped: Skipped): NodeSet {
    const found: Node[] = [];
    nodes.forEach((value, index) => {
      try {
        found.push(readCached(value));
      } catch (error) {
        skipped(`the cache ${this.path}, node ${index + 1}: ${FleetError.from(error).message}`, error);
      }
    });
    return NodeSet.of(found);
  }
}

function parsed(text: string): Document {
  const document: unknown = JSON.parse(text);
  if (!isRecord(document) || document.format !== format) throw new Error(`it is no ${format}`);
  if (document.version !== version) throw new Error(`it is of version ${String(document.version)}, not ${version}`);
  if (!isRecord(document.services)) throw new Error('it lists no services');
  return Object.fromEntries(
    Object.entries(document.services).filter((each): each is [string, Entry] => isEntry(each[1])),
  );
}

function isEntry(value: unknown): value is Entry {
  return isRecord(value) && Number.isFinite(value.savedAt) && Array.isArray(value.nodes);
}

/**
 * The facts of a node, and what the registry itself says against it; what the client found out is for its next life to
 * find.
 */
function written(node: Node): object {
  const { id, name, service, namespace, version, zone, region, tags, metadata, weight, sources, firstSeen } = node;
  const others = node.addresses.filter((other) => !sameAddress(other, node.address));
  const judged = node.health !== initialState.health;
  return {
    ...{ id, name, service: service || undefined, addresses: [node.address, ...others].map(formatAddress), namespace },
    ...{ version, zone, region, tags, metadata, weight, sources, firstSeen },
    ...(judged ? { health: node.health, healthReason: node.healthReason } : {}),
    ...(node.availability === 'draining' ? { draining: true } : {}),
  };
}

const healths: readonly unknown[] = ['unknown', 'serving', 'notServing', 'ejected'] satisfies Health[];

function readCached(value: unknown): Node {
  const node = readNode(value);
  if (!isRecord(value)) return node;
  const { sources, firstSeen, health, healthReason, draining } = value;
  return updateNode(node, {
    sources: Array.isArray(sources) ? sources.map(String) : [],
    firstSeen: typeof firstSeen === 'number' ? firstSeen : 0,
    ...(healths.includes(health) ? { health: health as Health } : {}),
    ...(typeof healthReason === 'string' ? { healthReason } : {}),
    ...(draining === true ? { availability: 'draining' } : {}),
  });
}
