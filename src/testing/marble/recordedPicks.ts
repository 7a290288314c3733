/** The picks of a case, as they are made and as the calls end. */

import type { TestScheduler } from 'rxjs/testing';
import type { DrawnPick, PicksRow } from './marbleRecord.js';
import type { PickEvent } from './pickEvent.js';
import { valueLabel } from './valueLabel.js';

/** Is told of each pick, of each end, and of what was expected. */
export interface PickNotes {
  picked(letter: string, answer: string): void;
  /** The oldest open call on this node ends. */
  ended(letter: string, node: string): void;
  expected(diagram: string): void;
}

export function recordedPicks(
  scheduler: TestScheduler,
  diagram: string,
  events: Readonly<Record<string, PickEvent>>,
): { readonly notes: Omit<PickNotes, 'expected'>; row(): Omit<PicksRow, 'came' | 'matches'> } {
  const picks: { -readonly [Key in keyof DrawnPick]: DrawnPick[Key] }[] = [];
  return {
    notes: {
      picked: (letter, answer) => picks.push({ at: scheduler.frame, letter, answer }),
      ended: (letter, node) => {
        const at = scheduler.frame;
        const oldest = picks.find((pick) => pick.answer === node && !pick.ends && pick.until === undefined);
        if (oldest) oldest.until = at;
        picks.push({ at, letter, answer: node, ends: true });
      },
    },
    row: () => ({
      ...{ row: 'picks', diagram, picks },
      letters: Object.fromEntries(Object.entries(events).map(([letter, event]) => [letter, asked(event)])),
    }),
  };
}

/** What a letter of the diagram asks for. */
function asked(event: PickEvent): string {
  if ('end' in event) return `the oldest call on ${event.end} ${event.failed ? 'fails' : 'ends'}`;
  const { key, requires, exclude, strict, ...rest } = event;
  const wishes = [
    ...(key === undefined ? [] : [`key ${key}`]),
    ...(requires ? [`requires ${requires.name}`] : []),
    ...(exclude?.size ? [`not ${[...exclude.keys()].join(' ')}${strict ? ' at any rate' : ''}`] : []),
    ...Object.entries(rest).map(([name, value]) => `${name} ${valueLabel(value)}`),
  ];
  return `a call${wishes.length ? `: ${wishes.join(', ')}` : ''}`;
}
