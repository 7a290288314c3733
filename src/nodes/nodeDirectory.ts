/** Which nodes are known now: what discovery says, joined with what the client has found out. */

import { BehaviorSubject, distinctUntilChanged, filter, map, pairwise, type Observable, type Subscription } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { createNode, initialState, updateNode, type Ejection, type Node, type NodeState } from '../core/node.js';
import { NodeSet, type NodeChanges } from '../core/nodeSet.js';
import { EjectedHealth } from './ejectedHealth.js';

export interface NodeDirectoryOptions {
  /** What is assumed of a node that has just been discovered. Default: reachable, healthy, compatible. */
  readonly initialState?: Partial<NodeState>;
}

/** The live node set of one client. */
export interface NodeDirectory {
  /**
   * The world now, then each change. Starts empty and `stale` ("waiting for discovery"); errors only when discovery
   * can never work; completes on `close`.
   */
  readonly nodes$: BehaviorSubject<NodeSet>;
  /** What each new snapshot changed; silent when nothing did. */
  readonly changes$: Observable<NodeChanges>;
  /** One node: as it is now if it is known, then each new form of it. Silent while it is gone. */
  node$(id: string): Observable<Node>;
  /**
   * Joins what was found out of a node into the next snapshot. Unknown ids are ignored. Called while a snapshot is
   * being delivered, it takes effect in the one that follows, together with all others of that moment. `ejections`
   * are left out: they are put by `eject` and lifted by `readmit` alone.
   */
  annotate(id: string, state: Partial<NodeState>): void;
  /**
   * Takes a node out: its health is `ejected` until everybody who took it out has let it in again. What else is said of
   * its health meanwhile is kept for then. A second ejection by the same takes the place of the first. Unknown ids are
   * ignored; a node that leaves and comes back is in.
   */
  eject(id: string, ejection: Ejection): void;
  /** Lets a node in again, as far as it was this one who took it out. */
  readmit(id: string, by: string): void;
  /** Stops listening to discovery and completes `nodes$`. */
  close(): void;
}

const stateKeys = Object.keys(initialState) as (keyof NodeState)[];

/**
 * Follows a discovery.
 *
 * Facts come from the source, state from `annotate`; what the source itself says of a state (a registry's own health
 * check, say) counts when it says it anew. Snapshots are delivered one at a time, in order, to every subscriber,
 * whatever subscribers do meanwhile.
 */
export function createNodeDirectory(
  discovered$: Observable<NodeSet>,
  options: NodeDirectoryOptions = {},
): NodeDirectory {
  const assumed: NodeState = { ...initialState, ...options.initialState };
  const waiting = NodeSet.of([], { since: 0, reason: 'waiting for discovery' });
  const nodes$ = new BehaviorSubject<NodeSet>(waiting);

  let current = waiting;
  let source = waiting;
  // What the source last said of each node, apart from what is joined to it here.
  const told = new Map<string, Node>();
  const ejections = new EjectedHealth();
  let delivering = false;
  const inbox = { discovered: undefined as NodeSet | undefined, notes: new Map<string, Note>() };

  const deliver = () => {
    if (delivering) return;
    delivering = true;
    try {
      while (inbox.discovered ?? inbox.notes.size) {
        const before = current;
        if (inbox.discovered) {
          const next = inbox.discovered;
          inbox.discovered = undefined;
          current = follow(current, next.changesSince(source), assumed, told, ejections).withStale(next.stale);
          source = next;
        }
        if (inbox.notes.size) {
          const { notes } = inbox;
          inbox.notes = new Map();
          current = noted(current, notes, ejections);
        }
        if (current !== before) nodes$.next(current);
      }
    } finally {
      delivering = false;
    }
  };

  const subscription: Subscription = discovered$.subscribe({
    next: (set) => {
      inbox.discovered = set;
      deliver();
    },
    error: (error: unknown) => nodes$.error(FleetError.from(error, 'DISCOVERY_FAILED')),
  });

  const noteOf = (id: string): Note => {
    let note = inbox.notes.get(id);
    if (!note) inbox.notes.set(id, (note = { state: {}, ejections: new Map() }));
    return note;
  };

  return {
    nodes$,
    changes$: nodes$.pipe(
      pairwise(),
      map(([before, after]) => after.changesSince(before)),
      filter(({ added, removed, updated }) => added.length + removed.length + updated.length > 0),
    ),
    node$: (id) =>
      nodes$.pipe(
        map((set) => set.get(id)),
        filter((node) => node !== undefined),
        distinctUntilChanged(),
      ),
    annotate(id, state) {
      const note = noteOf(id);
      note.state = { ...note.state, ...state };
      deliver();
    },
    eject(id, ejection) {
      noteOf(id).ejections.set(ejection.by, ejection);
      deliver();
    },
    readmit(id, by) {
      noteOf(id).ejections.set(by, undefined);
      deliver();
    },
    close() {
      subscription.unsubscribe();
      nodes$.complete();
    },
  };
}

/** What was found out of a node and is not in a snapshot yet. */
interface Note {
  state: Partial<NodeState>;
  /** By who took it out; undefined lets it in again. */
  readonly ejections: Map<string, Ejection | undefined>;
}

function follow(
  joined: NodeSet,
  changes: NodeChanges,
  assumed: NodeState,
  told: Map<string, Node>,
  ejections: EjectedHealth,
): NodeSet {
  const arrived = changes.added.map((node) =>
    createNode({ ...node, ...assumed, ...ejections.keep(node.id, saidAnew(node)), stats: undefined }),
  );
  const changed = changes.updated.map((node) => {
    const before = joined.get(node.id);
    const state = before ? stateOf(before) : assumed;
    const said = ejections.keep(node.id, saidAnew(node, told.get(node.id)));
    return createNode({ ...node, ...state, ...said, stats: before?.stats });
  });
  for (const { id } of changes.removed) {
    told.delete(id);
    ejections.forget(id);
  }
  for (const node of changes.added) told.set(node.id, node);
  for (const node of changes.updated) told.set(node.id, node);
  // A first set, or one of which most is new, is cheaper made anew than derived.
  if (arrived.length + changes.removed.length > joined.size) {
    const gone = new Set(changes.removed.map(({ id }) => id));
    const news = new Map(changed.map((node) => [node.id, node]));
    const stayed = joined.nodes.filter(({ id }) => !gone.has(id)).map((node) => news.get(node.id) ?? node);
    return NodeSet.of([...stayed, ...arrived], joined.stale);
  }
  return joined.without(...changes.removed.map(({ id }) => id)).with(...changed, ...arrived);
}

function noted(set: NodeSet, notes: ReadonlyMap<string, Note>, ejections: EjectedHealth): NodeSet {
  const changed: Node[] = [];
  for (const [id, note] of notes) {
    const node = set.get(id);
    if (!node) continue;
    const state = ejections.apply(node, ejections.keep(id, note.state), note.ejections);
    if (stateKeys.some((key) => key in state && state[key] !== node[key])) changed.push(updateNode(node, state));
  }
  return set.with(...changed);
}

/** The parts of a node's state that its source says now and did not say before. */
function saidAnew(node: NodeState, before: NodeState = initialState): Partial<NodeState> {
  return Object.fromEntries(stateKeys.filter((key) => node[key] !== before[key]).map((key) => [key, node[key]]));
}

function stateOf(node: NodeState): NodeState {
  return Object.fromEntries(stateKeys.map((key) => [key, node[key]])) as unknown as NodeState;
}
