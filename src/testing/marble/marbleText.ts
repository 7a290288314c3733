/** A case as text: its title, and each diagram as it was drawn. */

import type { MarbleRecord, MarbleRow } from './marbleRecord.js';

export function marbleText({ title, rows }: MarbleRecord): string {
  const lines = rows.flatMap(linesOf).map(([label, text]) => `    ${label.padEnd(14)} ${text}`);
  return [title, ...lines, ''].join('\n');
}

type Line = readonly [label: string, text: string];

function linesOf(row: MarbleRow): readonly Line[] {
  switch (row.row) {
    case 'nodes':
      return [
        ['nodes$', row.diagram],
        ...Object.entries(row.sets).map(([letter, nodes]): Line => {
          return ['', `${letter} = ${nodes.map(({ id }) => id).join(' ')}`];
        }),
      ];
    case 'picks':
      return [['pick()', row.diagram], ...lineOf('expected', row.expectedDiagram)];
    case 'result':
      return [...lineOf('subscribed', row.subscription || undefined), ...lineOf('expected', row.diagram)];
    case 'subscriptions':
      return row.diagrams.map((diagram) => ['subscriptions', diagram]);
    default:
      return [[row.row, row.diagram]];
  }
}

function lineOf(label: string, text: string | undefined): readonly Line[] {
  return text === undefined ? [] : [[label, text]];
}
