/** Writes down what a case makes and what comes of it, while it runs; changes nothing of what is tested. */

import { isDeepStrictEqual } from 'node:util';
import type { Observable } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import type { Node } from '../../core/node.js';
import type { MarbleRecord, MarbleRow, PicksRow, Span } from './marbleRecord.js';
import { recordedPicks, type PickNotes } from './recordedPicks.js';
import { recordedSource, type Source } from './recordedSource.js';
import { Spelling, markOf, parsed, type Message } from './spelling.js';
import { drawnNode } from './valueLabel.js';

/** What the scheduler holds against each other when it is flushed. */
interface Comparison {
  readonly actual: unknown[];
  readonly expected?: unknown[];
}

/** As rxjs logs a subscription; `Infinity` while it lasts. */
interface SubscriptionLog {
  readonly subscribedFrame: number;
  readonly unsubscribedFrame: number;
}

export class Recorder {
  readonly #scheduler: TestScheduler;
  readonly #rows: (() => MarbleRow)[] = [];
  /** Subscription logs of the sources, by their rows. */
  readonly #logs = new Map<unknown, number>();
  /** True while the lines of the case run, rather than the clock. */
  #drawing = true;

  constructor(scheduler: TestScheduler) {
    this.#scheduler = scheduler;
  }

  /** The lines of the case have run: what is made from here on is made by what they test. */
  drawn(): void {
    this.#drawing = false;
  }

  /** The same functions, each of which notes what it is called with. */
  around(helpers: RunHelpers): RunHelpers {
    return {
      ...helpers,
      cold: this.#source(helpers.cold),
      hot: this.#source(helpers.hot),
      flush: () => {
        this.#drawing = false;
        helpers.flush();
        this.#drawing = true;
      },
      expectObservable: ((observable: Observable<unknown>, subscription?: string | null) => {
        const expectation = helpers.expectObservable(observable, subscription);
        const drawn = this.#result(subscription ?? undefined);
        return {
          ...expectation,
          toBe: (diagram: string, values?: never, error?: unknown) => {
            expectation.toBe(diagram, values, error);
            drawn.diagram = diagram;
            drawn.expected = parsed(diagram);
          },
        };
      }) as RunHelpers['expectObservable'],
      expectSubscriptions: (logs) => {
        const expectation = helpers.expectSubscriptions(logs);
        const drawn = this.#subscriptions(logs);
        return {
          toBe: (diagrams) => {
            expectation.toBe(diagrams);
            drawn.diagrams = [diagrams].flat();
          },
        };
      },
    };
  }

  /** Node sets that are drawn as such. */
  nodes(diagram: string, source: Source, sets: Record<string, readonly Node[]>): void {
    const { row } = recordedSource(this.#scheduler, diagram, source);
    const drawn = Object.entries(sets).map(([letter, nodes]) => [letter, nodes.map(drawnNode)] as const);
    this.#rows.push(() => ({
      row: 'nodes',
      diagram,
      sets: Object.fromEntries(drawn),
      marks: row().runs[0]?.marks ?? [],
    }));
  }

  /** Picks, to be told of as they are made. */
  picks(diagram: string, events: Parameters<typeof recordedPicks>[2]): PickNotes {
    const { notes, row } = recordedPicks(this.#scheduler, diagram, events);
    let came: (() => Pick<PicksRow, 'came' | 'expected' | 'expectedDiagram' | 'matches'>) | undefined;
    this.#rows.push(() => ({ ...row(), ...(came?.() ?? { came: [], matches: true }) }));
    return {
      ...notes,
      expected: (expectedDiagram) => {
        const comparison = this.#comparison();
        came = () => ({
          expectedDiagram,
          expected: messagesOf(comparison.expected).map(markOf),
          came: messagesOf(comparison.actual).map(markOf),
          ...match(comparison),
        });
      },
    };
  }

  /** All of it, once the case has ended. */
  record(about: Omit<MarbleRecord, 'rows'>): MarbleRecord {
    return { ...about, rows: this.#rows.map((row) => row()) };
  }

  #source<Make extends (diagram: string, values?: never, error?: unknown) => Source>(make: Make): Make {
    return ((diagram, values, error) => {
      const source = make(diagram, values, error);
      const late = !this.#drawing;
      const { row } = recordedSource(this.#scheduler, diagram, source);
      this.#logs.set(source.subscriptions, this.#rows.length);
      this.#rows.push(() => (late ? { ...row(), late } : row()));
      return source;
    }) as Make;
  }

  #result(subscription: string | undefined) {
    const comparison = this.#comparison();
    const span = subscription === undefined ? { from: 0 } : spanOf(this.#parsedSpan(subscription));
    const drawn: { diagram?: string; expected?: ReturnType<typeof parsed> } = {};
    this.#rows.push(() => {
      const spelling = new Spelling();
      const { diagram, expected: marks = [] } = drawn;
      const wanted = messagesOf(comparison.expected);
      const expected = marks.length ? spelling.read(wanted, marks) : spelling.spell(wanted);
      const { matches } = match(comparison);
      const actual = messagesOf(comparison.actual);
      const came = matches && comparison.expected ? spelling.read(actual, expected) : spelling.spell(actual);
      return {
        ...{ row: 'result', ...span, came, matches, letters: spelling.letters },
        ...(subscription !== undefined && { subscription }),
        ...(comparison.expected && { expected }),
        ...(diagram !== undefined && { diagram }),
      };
    });
    return drawn;
  }

  #subscriptions(logs: readonly SubscriptionLog[]) {
    const comparison = this.#comparison();
    const source = this.#logs.get(logs);
    const drawn: { diagrams: readonly string[] } = { diagrams: [] };
    this.#rows.push(() => ({
      ...{ row: 'subscriptions', diagrams: drawn.diagrams, ...(source !== undefined && { source }) },
      expected: ((comparison.expected ?? []) as SubscriptionLog[]).map(spanOf),
      came: logs.map(spanOf),
      ...match(comparison),
    }));
    return drawn;
  }

  /** What the scheduler will compare for the expectation that was made last; it keeps that to itself. */
  #comparison(): Comparison {
    const { flushTests } = this.#scheduler as unknown as { flushTests: Comparison[] };
    return flushTests.at(-1)!;
  }

  /** A moment that is not drawn is the first. */
  #parsedSpan(diagram: string): SubscriptionLog {
    const log = TestScheduler.parseMarblesAsSubscriptions(diagram, true);
    return { ...log, subscribedFrame: log.subscribedFrame === Infinity ? 0 : log.subscribedFrame };
  }
}

function match({ actual, expected }: Comparison): { readonly matches: boolean } {
  return { matches: expected === undefined || isDeepStrictEqual(actual, expected) };
}

function messagesOf(messages: readonly unknown[] | undefined): readonly Message[] {
  return (messages ?? []) as readonly Message[];
}

function spanOf({ subscribedFrame, unsubscribedFrame }: SubscriptionLog): Span {
  return { from: subscribedFrame, ...(unsubscribedFrame !== Infinity && { to: unsubscribedFrame }) };
}
