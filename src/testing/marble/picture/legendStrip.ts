/** What the letters of a picture stand for. */

import type { Letters, MarbleRow } from '../marbleRecord.js';
import type { Labelled } from './arrangement.js';
import { shownMarks } from './shownMarks.js';
import { sizes, type Sheet, type Strip } from './sheet.js';
import { svgText } from './svgElement.js';
import { drawError, drawMarble, hueOf } from './timeline.js';
import { wrapped } from './wrapped.js';

/** Letters that mean the same for several rows. */
export interface LegendGroup {
  /** The labels of the rows; empty where they need not be told. */
  readonly title: string;
  readonly entries: readonly Entry[];
}

export interface Entry {
  readonly letter: string;
  readonly meaning: string;
  /** It asks for a call, rather than being a value. */
  readonly plain: boolean;
}

const lineHeight = 21;
const { noteCharacter } = sizes;
/** Answers to a pick that are no node. */
const answers: Letters = { '?': 'wait: a node may become ready', '0': 'nobody can take it' };

/**
 * What the letters of these rows mean: first those that mean the same wherever they stand, then for each row, or rows
 * that agree, what only they mean by it.
 */
export function legendOf(rows: readonly Labelled[]): readonly LegendGroup[] {
  const told = rows.map(({ row, label }) => ({ label, entries: entriesOf(row) }));
  const keyOf = ({ letter, plain }: Entry) => `${letter} ${plain}`;
  const meanings = new Map<string, Set<string>>();
  for (const entry of told.flatMap(({ entries }) => entries)) {
    const key = keyOf(entry);
    meanings.set(key, (meanings.get(key) ?? new Set()).add(entry.meaning));
  }
  const shared = (entry: Entry) => meanings.get(keyOf(entry))!.size === 1;
  const groups: { titles: string[]; entries: Entry[] }[] = [{ titles: [], entries: [] }];
  for (const { label, entries } of told) {
    const own = entries.filter((entry) => !shared(entry));
    add(groups[0]!.entries, entries.filter(shared));
    if (own.length === 0) continue;
    const agreeing = groups
      .slice(1)
      .find((group) => group.entries.every((one) => own.every((other) => agree(one, other))));
    if (agreeing) {
      agreeing.titles.push(label);
      add(agreeing.entries, own);
    } else {
      groups.push({ titles: [label], entries: own });
    }
  }
  return groups
    .filter(({ entries }) => entries.length > 0)
    .map(({ titles, entries }) => ({ title: titles.join(', '), entries }));
}

/** Without the letters that mean the same in all of the picture: what only this part of it means. */
export function ownLegend(groups: readonly LegendGroup[], common: readonly LegendGroup[]): readonly LegendGroup[] {
  const known = common.filter(({ title }) => title === '').flatMap(({ entries }) => entries);
  return groups
    .map(({ title, entries }) => ({
      title,
      entries: entries.filter((entry) => !known.some((each) => sameMeaning(each, entry))),
    }))
    .filter(({ entries }) => entries.length > 0);
}

export function legendStrip(sheet: Sheet, groups: readonly LegendGroup[]): Strip {
  const lines = groups.flatMap((group) => linesOf(group, sheet.right - sheet.left));
  return {
    height: lines.length > 0 ? lines.length * lineHeight + 14 : 0,
    draw: (y) =>
      lines.map((items, i) => items.map((item) => item(sheet.left, y + 10 + (i + 0.5) * lineHeight)).join('')).join(''),
  };
}

type Item = (left: number, y: number) => string;

function linesOf({ title, entries }: LegendGroup, width: number): readonly Item[][] {
  const lines: Item[][] = [[]];
  let x = 0;
  const put = (wide: number, item: (x: number) => Item) => {
    if (x > 0 && x + wide > width) {
      lines.push([]);
      x = 0;
    }
    lines.at(-1)!.push(item(x));
    x += wide + 18;
  };
  if (title) put(title.length * noteCharacter - 8, (at) => (left, y) => svgText('n', left + at, y, title));
  for (const entry of entries) {
    const text = entry.letter.length > 1 ? 28 : 22;
    wrapped(entry.meaning, Math.floor((width - 40) / noteCharacter)).forEach((part, i) => {
      const symbol: Item = (left, y) => (i === 0 ? drawSymbol(left + 8, y, entry) : '');
      put(
        text + part.length * noteCharacter,
        (at) => (left, y) => symbol(left + at, y) + svgText('n', left + at + text, y, part),
      );
    });
  }
  return lines;
}

function drawSymbol(x: number, y: number, { letter, plain }: Entry): string {
  if (letter.startsWith('#')) return drawError(x, y, letter, 4.5);
  return drawMarble(x, y, letter, plain ? 'm q' : hueOf(letter), 8);
}

function entriesOf(row: MarbleRow): readonly Entry[] {
  const letters: Letters = { ...(row.row === 'picks' ? answers : {}), ...('letters' in row ? row.letters : {}) };
  const seen = new Set(shownMarks(row).map(({ letter }) => letter));
  const plain = row.row === 'picks';
  return [...seen].flatMap((letter) => {
    const meaning = letters[letter];
    return meaning === undefined ? [] : [{ letter, meaning, plain }];
  });
}

function add(entries: Entry[], more: readonly Entry[]): void {
  entries.push(...more.filter((entry) => !entries.some((each) => sameMeaning(each, entry))));
}

function sameLetter(a: Entry, b: Entry): boolean {
  return a.letter === b.letter && a.plain === b.plain;
}

function sameMeaning(a: Entry, b: Entry): boolean {
  return sameLetter(a, b) && a.meaning === b.meaning;
}

function agree(a: Entry, b: Entry): boolean {
  return !sameLetter(a, b) || a.meaning === b.meaning;
}
