/** `nodes`, `picks` and `expectPicks`: the words in which balancers are drawn. */

import { map, scan, withLatestFrom, type Observable } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import type { Balancer, Pick, Picker } from '../../balancer/picker.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { PickEvent } from './pickEvent.js';
import type { Recorder } from './recorder.js';
import type { PickNotes } from './recordedPicks.js';

/** @param helpers those of rxjs, so that what is drawn here is not recorded twice. */
export function picking(helpers: RunHelpers, recorder: Recorder | undefined) {
  let picker$: Observable<Picker> | undefined;
  let picked$: Observable<string> | undefined;
  let notes: PickNotes | undefined;

  return {
    nodes(diagram: string, sets: Record<string, readonly Node[]>) {
      const values = Object.entries(sets).map(([letter, nodes]) => [letter, NodeSet.of(nodes)] as const);
      const set$ = helpers.cold(diagram, Object.fromEntries(values));
      recorder?.nodes(diagram, set$ as never, sets);
      return {
        pipe(balancer: Balancer): Observable<Picker> {
          picker$ = set$.pipe(balancer);
          return picker$;
        },
      };
    },
    picks(diagram: string, events: Record<string, PickEvent> = {}): void {
      if (!picker$) throw new Error('picks: draw nodes(…).pipe(balancer) first');
      notes = recorder?.picks(diagram, events);
      picked$ = helpers.hot(diagram).pipe(withLatestFrom(picker$), answers(events, notes));
    },
    expectPicks(diagram: string): void {
      if (!picked$) throw new Error('expectPicks: draw picks(…) first');
      helpers.expectObservable(picked$).toBe(diagram);
      notes?.expected(diagram);
    },
  };
}

function answers(events: Record<string, PickEvent>, notes: PickNotes | undefined) {
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
            notes?.ended(letter, event.end);
            return { open: open.filter((pick) => pick !== ended), id: event.end };
          }
          const pick = picker.pick(event);
          const id = pick.node ? pick.node.id : pick.pending ? '?' : '0';
          notes?.picked(letter, id);
          return { open: pick.node ? [...open, pick] : open, id };
        },
        { open: [] as readonly Pick[], id: '' },
      ),
      map(({ id }) => id),
    );
}
