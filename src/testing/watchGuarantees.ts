/** The six guarantees of a watch as one check over what a discovery has emitted, for any source with revisions. */

import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';

/** What the source listed after one of its changes: the nodes by id, each with a mark of its form, such as a version. */
export type SourceState = ReadonlyMap<string, string>;

export interface WatchEvidence {
  /** The states of the source in order, the first before anything was watched. Nothing else changed the source. */
  readonly states: readonly SourceState[];
  /** What the discovery emitted, in order, until the source had come to rest and the discovery was fresh. */
  readonly sets: readonly NodeSet[];
  /** The mark of a node, as in `states`. Default: its version. */
  readonly mark?: (node: Node) => string;
  /** How often the source was listed as a whole, and how often it had to be: for want of a bookmark, more. */
  readonly listings?: { readonly seen: number; readonly needed: number };
}

export interface WatchVerdict {
  /** Each breach as `guarantee: what`; empty when all hold. */
  readonly breaches: readonly string[];
  /** For each set, the index of the state that it shows; -1 for a set that shows none. */
  readonly shows: readonly number[];
  /** Changes of the source that the last set lacks: nodes that should be there, or be in another form. */
  readonly missed: readonly string[];
  /** Nodes of the last set that the source does not list. */
  readonly ghosts: readonly string[];
}

/**
 * - ordered: the states that the sets show never go back.
 * - unique: no set says the same as the one before.
 * - reliable: the last set is the last state.
 * - atomic: every set is exactly a state that the source was in; half a transaction is none.
 * - resumable: what follows a stale set is not older than it.
 * - bookmarkable: nothing is listed again that could be resumed.
 *
 * A set may pass over states, since it is the whole world and not an event.
 */
export function watchGuarantees({ states, sets, mark = versionOf, listings }: WatchEvidence): WatchVerdict {
  const breaches: string[] = [];
  const shows: number[] = [];
  const places = new Map<string, number[]>();
  states.forEach((state, index) => {
    const drawn = draw([...state]);
    places.set(drawn, [...(places.get(drawn) ?? []), index]);
  });

  let reached = 0;
  sets.forEach((set, index) => {
    const before = sets[index - 1];
    const indices = places.get(draw(set.nodes.map((node) => [node.id, mark(node)])));
    const next = indices?.find((place) => place >= reached);
    const name = `set ${index + 1} of ${sets.length}`;
    if (!indices) breaches.push(`atomic: ${name} shows no state that the source was in`);
    else if (next === undefined) {
      breaches.push(`${before?.stale ? 'resumable' : 'ordered'}: ${name} goes back to state ${indices.at(-1)}`);
    }
    if (before) {
      const { added, removed, updated } = set.changesSince(before);
      if (added.length + removed.length + updated.length === 0 && set.stale === before.stale) {
        breaches.push(`unique: ${name} says the same as the one before`);
      }
    }
    reached = next ?? reached;
    shows.push(next ?? -1);
  });

  const last = sets.at(-1);
  const final = states.at(-1)!;
  const missed = [...final].filter(([id, form]) => {
    const node = last?.get(id);
    return !node || mark(node) !== form;
  });
  const ghosts = (last?.nodes ?? []).filter(({ id }) => !final.has(id));
  if (missed.length + ghosts.length > 0) {
    breaches.push(`reliable: the last set misses ${missed.length} nodes and has ${ghosts.length} ghosts`);
  }
  if (listings && listings.seen > listings.needed) {
    breaches.push(`bookmarkable: listed ${listings.seen} times where ${listings.needed} were needed`);
  }
  return { breaches, shows, missed: missed.map(([id]) => id), ghosts: ghosts.map(({ id }) => id) };
}

function versionOf({ version = '' }: Node): string {
  return version;
}

function draw(nodes: readonly (readonly [string, string])[]): string {
  return JSON.stringify([...nodes].sort(([a], [b]) => (a < b ? -1 : 1)));
}
