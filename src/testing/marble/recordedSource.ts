/** A source of a case, and all that it said: to whom, and when. */

import type { Observer } from 'rxjs';
import type { RunHelpers, TestScheduler } from 'rxjs/testing';
import type { Mark, SourceRow } from './marbleRecord.js';
import { sourceName } from './sourceName.js';
import { Spelling, parsed, type Message } from './spelling.js';

type Cold = ReturnType<RunHelpers['cold']>;
type Hot = ReturnType<RunHelpers['hot']>;
type Receiver = Parameters<Cold['scheduleMessages']>[0];
export type Source = Cold | Hot;

export interface RecordedSource {
  /** What became of it until now. */
  row(): SourceRow;
}

/** Watches a source; it gives the same messages as before, in the same order. */
export function recordedSource(scheduler: TestScheduler, diagram: string, source: Source): RecordedSource {
  const marks = parsed(diagram);
  const name = sourceName(diagram);
  const now = () => scheduler.frame;
  // A hot one says the same to all; of a cold one it depends on the moment of leaving what of it comes through.
  const heard = 'scheduleMessages' in source ? heardOf(source, now) : saidBy(source, now);
  return {
    row() {
      const spelling = new Spelling();
      const script = spelling.read(source.messages as readonly Message[], marks);
      const at = (frames: readonly number[] = []) => frames.map((frame, n): Mark => ({ ...script[n]!, at: frame }));
      const hot = 'scheduleMessages' in source ? undefined : at(heard[0]);
      return {
        ...{ row: hot ? 'hot' : 'cold', ...(name !== undefined && { name }), diagram, script: hot ?? script },
        runs: source.subscriptions.map(({ subscribedFrame, unsubscribedFrame }, i) => ({
          from: subscribedFrame,
          ...(unsubscribedFrame !== Infinity && { to: unsubscribedFrame }),
          marks: hot ? [] : at(heard[i]),
        })),
        letters: spelling.letters,
      };
    },
  };
}

/** The frame of each message as it is handed over, by subscription: they come in the order of the script. */
function heardOf(source: Cold, now: () => number): readonly (readonly number[])[] {
  const heard: number[][] = [];
  const schedule = source.scheduleMessages.bind(source);
  source.scheduleMessages = (subscriber) => {
    const frames: number[] = [];
    heard[source.subscriptions.length - 1] = frames;
    const add = (teardown: never) => subscriber.add(teardown);
    schedule({ add, ...noting(subscriber, now, frames) } as unknown as Receiver);
  };
  return heard;
}

/** The frame of each message as it is said. */
function saidBy(source: Hot, now: () => number): readonly (readonly number[])[] {
  const frames: number[] = [];
  const { next, error, complete } = source;
  const plain = { next: next.bind(source), error: error.bind(source), complete: complete.bind(source) };
  Object.assign(source, noting(plain, now, frames));
  return [frames];
}

function noting(observer: Observer<string>, now: () => number, frames: number[]): Observer<string> {
  return {
    next: (value) => {
      frames.push(now());
      observer.next(value);
    },
    error: (error) => {
      frames.push(now());
      observer.error(error);
    },
    complete: () => {
      frames.push(now());
      observer.complete();
    },
  };
}
