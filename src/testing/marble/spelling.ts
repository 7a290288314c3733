/** The letters of what came: those of the diagram where a value is one of them, else letters that no diagram uses. */

import { isDeepStrictEqual } from 'node:util';
import { TestScheduler } from 'rxjs/testing';
import type { Letters, Mark } from './marbleRecord.js';
import { valueLabel } from './valueLabel.js';

/** As the scheduler keeps it: what was said, and when. */
export interface Message {
  readonly frame: number;
  readonly notification: {
    readonly kind: 'N' | 'E' | 'C';
    readonly value?: unknown;
    readonly error?: unknown;
  };
}

const kinds = { N: 'next', E: 'error', C: 'complete' } as const;
const unexpected = [...'αβγδεζηθκλμνξπρστυφχψω'];

/** A message whose value is a word, such as the id of a node or the letter of a diagram. */
export function markOf({ frame, notification: { kind, value } }: Message): Mark {
  return { at: frame, kind: kinds[kind], letter: kind === 'N' ? String(value) : kind === 'E' ? '#' : '|' };
}

/** The letters of a diagram at their frames; to be called while the scheduler runs, which sets how long a frame is. */
export function parsed(diagram: string): readonly Mark[] {
  return (TestScheduler.parseMarbles(diagram, undefined, undefined, false, true) as readonly Message[]).map(markOf);
}

/** Gives letters to the values of one row, and keeps what they stand for. */
export class Spelling {
  readonly #known = new Map<string, unknown>();
  readonly #letters: Record<string, string> = {};

  /** What stands for what; a letter that stands for itself is not listed. */
  get letters(): Letters {
    return this.#letters;
  }

  /** Messages whose letters a diagram gives, one for one. */
  read(messages: readonly Message[], marks: readonly Mark[]): readonly Mark[] {
    return messages.map((message, i) => {
      const letter = marks[i]?.letter ?? this.#spelt(message);
      this.#learn(letter, message);
      return { at: message.frame, kind: kinds[message.notification.kind], letter };
    });
  }

  /** Messages that came of themselves. */
  spell(messages: readonly Message[]): readonly Mark[] {
    return messages.map((message) => {
      const letter = this.#spelt(message);
      this.#learn(letter, message);
      return { at: message.frame, kind: kinds[message.notification.kind], letter };
    });
  }

  #spelt({ notification }: Message): string {
    const { kind } = notification;
    if (kind === 'C') return '|';
    const value = kind === 'N' ? notification.value : notification.error;
    const isError = kind === 'E';
    for (const [letter, known] of this.#known) {
      if (letter.startsWith('#') === isError && isDeepStrictEqual(known, value)) return letter;
    }
    if (isError) return this.#free(['#'], 2);
    if (typeof value === 'string' && [...value].length === 1 && !this.#known.has(value)) return value;
    return this.#free(unexpected, 1);
  }

  /** The first that is not taken yet, with a number where all of them are. */
  #free(letters: readonly string[], number: number): string {
    const free = letters.find((letter) => !this.#known.has(letter));
    if (free) return free;
    const numbered = letters.map((letter) => `${letter[0]}${number}`);
    return numbered.find((letter) => !this.#known.has(letter)) ?? this.#free(letters, number + 1);
  }

  #learn(letter: string, { notification: { kind, value, error } }: Message): void {
    if (kind === 'C' || this.#known.has(letter)) return;
    this.#known.set(letter, kind === 'N' ? value : error);
    const label = valueLabel(kind === 'N' ? value : error);
    // `#` without an error of its own is rxjs' default, which says nothing.
    if (label !== letter && !(kind === 'E' && label === 'error')) this.#letters[letter] = label;
  }
}
