/** Marble cases: a titled diagram that is run on virtual time, and written out as text. */

import { deepStrictEqual } from 'node:assert/strict';
import { map, Observable, scan, withLatestFrom } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import type { Balancer, Pick, PickContext, Picker } from '../balancer/picker.js';
import type { Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { runnerOf, type Runner } from './runner.js';

/** What a letter of a `picks` diagram does: a pick with this context, or the end of the oldest open pick on a node. */
export type PickEvent =
  | PickContext
  | {
      readonly end: string;
      readonly failed?: boolean;
      /** How long it took. Default 1. */
      readonly latencyMs?: number;
    };

export interface MarbleHelpers extends RunHelpers {
  /** The virtual clock, for options named `scheduler`. */
  readonly scheduler: TestScheduler;
  /** Node sets over time; pipe it through the balancer that `picks` then asks. */
  nodes(diagram: string, sets: Record<string, readonly Node[]>): { pipe(balancer: Balancer): Observable<Picker> };
  /** When picks happen, or end. Letters without an event are picks without a context. */
  picks(diagram: string, events?: Record<string, PickEvent>): void;
  /** The ids picked, one letter each; `?` for "wait", `0` for "nobody". */
  expectPicks(diagram: string): void;
}

export interface MarbleOptions {
  /** Default: the global `it`. */
  readonly runner?: Runner;
}

/**
 * One case. Inside, every rxjs scheduler runs on virtual time, a frame a millisecond, and the diagrams are checked
 * when the function returns. With `RXFLEET_MARBLES=1` each case is printed as it was drawn.
 *
 *     marble('a node that dies mid-turn gives its turn to the next', ({ nodes, picks, expectPicks }) => {
 *       nodes('a---b--|', { a: [x, y, z], b: [x, z] }).pipe(roundRobin());
 *       picks('-p-p-p-|');
 *       expectPicks('-x-y-z-|');
 *     });
 */
export function marble(title: string, body: (helpers: MarbleHelpers) => void, options: MarbleOptions = {}): void {
  runnerOf(options.runner).it(title, () => {
    const drawing: string[] = [];
    const draw = (label: string, diagram: string) => drawing.push(`    ${label.padEnd(14)} ${diagram}`);
    new TestScheduler((actual, expected) => deepStrictEqual(actual, expected)).run((helpers) => {
      body(recording(helpers, draw));
    });
    if (process.env.RXFLEET_MARBLES) console.log([title, ...drawing, ''].join('\n'));
  });
}

function recording(helpers: RunHelpers, draw: (label: string, diagram: string) => void): MarbleHelpers {
  // RunHelpers does not hand the scheduler out, but every cold Observable knows it.
  const { scheduler } = helpers.cold('') as unknown as { scheduler: TestScheduler };
  let picker$: Observable<Picker> | undefined;
  let picked$: Observable<string> | undefined;

  return {
    ...helpers,
    scheduler,
    cold: ((diagram: string, values?: never, error?: unknown) => {
      draw('cold', diagram);
      return helpers.cold(diagram, values, error);
    }) as RunHelpers['cold'],
    hot: ((diagram: string, values?: never, error?: unknown) => {
      draw('hot', diagram);
      return helpers.hot(diagram, values, error);
    }) as RunHelpers['hot'],
    expectObservable: ((observable: Observable<unknown>, subscription?: string | null) => {
      if (subscription) draw('subscribed', subscription);
      const expectation = helpers.expectObservable(observable, subscription ?? null);
      return {
        ...expectation,
        toBe: (diagram: string, values?: never, error?: unknown) => {
          draw('expected', diagram);
          expectation.toBe(diagram, values, error);
        },
      };
    }) as RunHelpers['expectObservable'],
    expectSubscriptions: (logs) => {
      const expectation = helpers.expectSubscriptions(logs);
      return {
        toBe: (diagrams) => {
          for (const diagram of [diagrams].flat()) draw('subscriptions', diagram);
          expectation.toBe(diagrams);
        },
      };
    },
    nodes(diagram, sets) {
      draw('nodes$', diagram);
      for (const [letter, nodes] of Object.entries(sets)) draw('', `${letter} = ${nodes.map((n) => n.id).join(' ')}`);
      const set$ = helpers.cold(
        diagram,
        Object.fromEntries(Object.entries(sets).map(([letter, nodes]) => [letter, NodeSet.of(nodes)])),
      );
      return {
        pipe(balancer) {
          picker$ = set$.pipe(balancer);
          return picker$;
        },
      };
    },
    picks(diagram, events = {}) {
      draw('pick()', diagram);
      if (!picker$) throw new Error('picks: draw nodes(…).pipe(balancer) first');
      picked$ = helpers.hot(diagram).pipe(withLatestFrom(picker$), answerPicks(events));
    },
    expectPicks(diagram) {
      draw('expected', diagram);
      if (!picked$) throw new Error('expectPicks: draw picks(…) first');
      helpers.expectObservable(picked$).toBe(diagram);
    },
  };
}

function answerPicks(events: Record<string, PickEvent>) {
  return (event$: Observable<[string, Picker]>): Observable<string> =>
    event$.pipe(
      scan(
        ({ open }, [letter, picker]) => {
          const event = events[letter] ?? {};
          if ('end' in event) {
            const ended = open.find((pick) => pick.node.id === event.end);
            const { failed, latencyMs = 1 } = event;
            ended?.end(
              failed
                ? { status: 'failed', latencyMs, code: 'UNAVAILABLE', blame: 'network' }
                : { status: 'ok', latencyMs },
            );
            return { open: open.filter((pick) => pick !== ended), id: event.end };
          }
          const pick = picker.pick(event);
          return pick.node ? { open: [...open, pick], id: pick.node.id } : { open, id: pick.pending ? '?' : '0' };
        },
        { open: [] as readonly Pick[], id: '' },
      ),
      map(({ id }) => id),
    );
}
