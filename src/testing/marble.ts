/** Marble cases: a titled diagram that is run on virtual time, and drawn as it was run, as text or as a picture. */

import { deepStrictEqual } from 'node:assert/strict';
import type { Observable } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import type { Balancer, Picker } from '../balancer/picker.js';
import type { Node } from '../core/node.js';
import { keepRecord } from './marble/keptRecords.js';
import type { MarbleRecord } from './marble/marbleRecord.js';
import { marbleText } from './marble/marbleText.js';
import type { PickEvent } from './marble/pickEvent.js';
import { picking } from './marble/picking.js';
import { placeOf } from './marble/place.js';
import { Recorder } from './marble/recorder.js';
import { runnerOf, type Runner } from './runner.js';

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
  /** Is given what the case did, whether it passed or failed; `marbleSvg` draws it. Default: nothing is recorded. */
  readonly onRecord?: (record: MarbleRecord) => void;
}

let defined = 0;

/**
 * One case. Inside, every rxjs scheduler runs on virtual time, a frame a millisecond, and the diagrams are checked
 * when the function returns.
 *
 *     marble('a node that dies mid-turn gives its turn to the next', ({ nodes, picks, expectPicks }) => {
 *       nodes('a---b--|', { a: [x, y, z], b: [x, z] }).pipe(roundRobin());
 *       picks('-p-p-p-|');
 *       expectPicks('-x-y-z-|');
 *     });
 *
 * With `RXFLEET_MARBLES=1` in the environment each case is printed as it was drawn. With `RXFLEET_PICTURES=FOLDER` each
 * is recorded as it was run, and `drawMarbles(FOLDER)` makes the pictures.
 */
export function marble(title: string, body: (helpers: MarbleHelpers) => void, options: MarbleOptions = {}): void {
  const order = ++defined;
  // A rest parameter, since some runners hand a callback to functions that declare one.
  runnerOf(options.runner).it(title, (...[given]: unknown[]) => {
    const scheduler = new TestScheduler((actual, expected) => deepStrictEqual(actual, expected));
    const outputs = outputsOf(options);
    const recorder = outputs.length > 0 ? new Recorder(scheduler) : undefined;
    const ended = (outcome: Pick<MarbleRecord, 'passed' | 'failure'>) => {
      const record = recorder?.record({ title, ...placeOf(title, given), order, ...outcome });
      if (record) for (const output of outputs) output(record);
    };
    try {
      scheduler.run((helpers) => {
        const drawn = recorder?.around(helpers) ?? helpers;
        body({ ...drawn, ...picking(helpers, recorder), scheduler });
        recorder?.drawn();
      });
    } catch (error) {
      ended({ passed: false, failure: String(error).split('\n', 1)[0] });
      throw error;
    }
    ended({ passed: true });
  });
}

/** Who wants to know what a case did. */
function outputsOf({ onRecord }: MarbleOptions): readonly ((record: MarbleRecord) => void)[] {
  const { RXFLEET_MARBLES: text, RXFLEET_PICTURES: pictures } = process.env;
  return [
    ...(onRecord ? [onRecord] : []),
    ...(text ? [(record: MarbleRecord) => console.log(marbleText(record))] : []),
    ...(pictures ? [(record: MarbleRecord) => keepRecord(pictures, record)] : []),
  ];
}
