/** A marble case as it was run: the data that its text and its picture are drawn from, plain enough to be written down. */

/** One case. Moments are frames of the virtual clock: milliseconds from the start of the case. */
export interface MarbleRecord {
  readonly title: string;
  /** The headings that it stands under, outermost first. */
  readonly suites: readonly string[];
  /** The file of the case, from the working directory; empty when the runner does not tell. */
  readonly file: string;
  /** Its place among the cases of its file, from 1. */
  readonly order: number;
  readonly passed: boolean;
  /** What failed, in a line; undefined for a case that passed. */
  readonly failure?: string;
  /** In the order in which the case drew them. */
  readonly rows: readonly MarbleRow[];
}

export type MarbleRow = SourceRow | NodesRow | PicksRow | ResultRow | SubscriptionsRow;

/** A letter, an error or an end, at its moment. */
export interface Mark {
  readonly at: number;
  readonly kind: 'next' | 'error' | 'complete';
  /** As in the diagram: `#` for an error, `|` for an end. */
  readonly letter: string;
}

export interface Span {
  readonly from: number;
  /** Undefined while it lasts. */
  readonly to?: number;
}

/** One subscription to a source, and what reached it. */
export interface SourceRun extends Span {
  readonly marks: readonly Mark[];
}

/** What letters stand for, where they do not stand for themselves. */
export type Letters = Readonly<Record<string, string>>;

/** A source that the case made. */
export interface SourceRow {
  readonly row: 'cold' | 'hot';
  /** What the case calls it, where that can be told. */
  readonly name?: string;
  readonly diagram: string;
  /** What it says: a cold one from each subscription on, a hot one by itself. */
  readonly script: readonly Mark[];
  readonly runs: readonly SourceRun[];
  readonly letters: Letters;
  /** Made while the clock was running, and not by the lines of the case. */
  readonly late?: boolean;
}

/** A node of a set, as far as a picture shows it. */
export interface DrawnNode {
  readonly id: string;
  /** Why it takes no calls, in a word; undefined while it does. */
  readonly out?: string;
  /** What else is known of it, such as `weight 2`. */
  readonly note?: string;
}

/** Node sets as they came. */
export interface NodesRow {
  readonly row: 'nodes';
  readonly diagram: string;
  readonly sets: Readonly<Record<string, readonly DrawnNode[]>>;
  /** What came of them; the letters are those of `sets`. */
  readonly marks: readonly Mark[];
}

/** One letter of a `picks` diagram, and what came of it. */
export interface DrawnPick {
  readonly at: number;
  readonly letter: string;
  /** The id of the node, `?` for "wait", `0` for "nobody". */
  readonly answer: string;
  /** When the call ended; undefined while it lasts. */
  readonly until?: number;
  /** The letter ends a call that was picked before. */
  readonly ends?: boolean;
}

/** Picks, and on whom they fell. */
export interface PicksRow {
  readonly row: 'picks';
  readonly diagram: string;
  /** As drawn; undefined when nothing was expected. */
  readonly expectedDiagram?: string;
  readonly picks: readonly DrawnPick[];
  /** What was to come, as ids. */
  readonly expected?: readonly Mark[];
  /** The ids that came, and the end. */
  readonly came: readonly Mark[];
  readonly matches: boolean;
  readonly letters: Letters;
}

/** What an Observable under test said. */
export interface ResultRow extends Span {
  readonly row: 'result';
  /** When it was subscribed to and left, as drawn. */
  readonly subscription?: string;
  /** What was expected, as drawn; undefined where another Observable says it, or nobody. */
  readonly diagram?: string;
  readonly expected?: readonly Mark[];
  readonly came: readonly Mark[];
  readonly matches: boolean;
  readonly letters: Letters;
}

/** Subscriptions that were expected of a source. */
export interface SubscriptionsRow {
  readonly row: 'subscriptions';
  readonly diagrams: readonly string[];
  /** The place of the source among the rows; undefined when it is none of them. */
  readonly source?: number;
  readonly expected: readonly Span[];
  readonly came: readonly Span[];
  readonly matches: boolean;
}
