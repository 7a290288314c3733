/** A picture in words, for those who do not see it. */

import type { Mark, MarbleRecord, MarbleRow, NodesRow, SourceRow, Span } from '../marbleRecord.js';
import { labelledRows } from './arrangement.js';
import { legendOf } from './legendStrip.js';
import { laneIds } from './pickStrip.js';
import { momentLabel } from './timeScale.js';

export function description(record: MarbleRecord): string {
  const all = labelledRows(record);
  const rows = all.map(({ row, label }) => told(row, label)).filter(Boolean);
  const letters = legendOf(all).map(({ title, entries }) => {
    const meanings = entries.map(({ letter, meaning }) => `${letter} is ${meaning}`).join('; ');
    return `${title ? `In ${title}: ` : ''}${meanings}`;
  });
  const outcome = record.passed ? [] : [`The case failed: ${record.failure ?? 'it is not told why'}`];
  return [...rows, ...letters, ...outcome].map((sentence) => `${sentence.replace(/\.$/, '')}.`).join(' ');
}

function told(row: MarbleRow, label: string): string {
  switch (row.row) {
    case 'cold':
    case 'hot':
      return toldSource(row, label);
    case 'nodes':
      return toldNodes(row);
    case 'picks':
      return `Picks: ${row.picks.map(({ at, letter, answer, ends }) => `${letter} ${ends ? 'on' : 'to'} ${answer} at ${time(at)}`).join(', ')}`;
    case 'result': {
      const came = `${label}${away(row)}: ${toldMarks(row.came)}`;
      return row.matches ? came : `${came}; expected was ${toldMarks(row.expected ?? [])}`;
    }
    case 'subscriptions':
      if (row.matches) return '';
      return `Subscriptions were ${toldSpans(row.came)}; expected were ${toldSpans(row.expected)}`;
  }
}

function toldNodes(row: NodesRow): string {
  const { ids, hidden } = laneIds(row, []);
  return `Nodes: ${ids.join(', ') || 'none'}${hidden > 0 ? ` and ${hidden} more` : ''}`;
}

function toldSource({ row, runs, script }: SourceRow, label: string): string {
  if (row === 'hot') return `${label}, hot: ${toldMarks(script)}`;
  if (runs.length === 0) return `${label}: never subscribed`;
  return `${label}${runs.map((run) => `${away(run, true)}: ${toldMarks(run.marks)}`).join(';')}`;
}

function toldMarks(marks: readonly Mark[]): string {
  if (marks.length === 0) return 'nothing';
  return marks
    .map(({ at, kind, letter }) => {
      const what = kind === 'complete' ? 'ends' : kind === 'error' ? `fails${letter.slice(1)}` : letter;
      return `${what} at ${time(at)}`;
    })
    .join(', ');
}

function toldSpans(spans: readonly Span[]): string {
  return spans.map((span) => away(span, true).trim()).join(', ') || 'none';
}

/** When it was listened to, where that is not from the first moment to the last. */
function away({ from, to }: Span, always = false): string {
  if (!always && from === 0 && to === undefined) return '';
  return to === undefined ? ` from ${time(from)}` : ` from ${time(from)} to ${time(to)}`;
}

function time(at: number): string {
  const label = momentLabel(at);
  return /\d$/.test(label) ? `${label} ms` : label;
}
