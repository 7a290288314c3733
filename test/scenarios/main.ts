/**
 * The scenarios: `npm run --silent scenarios -- [--only TEXT]… [--seed N] [--json FILE]`.
 *
 * Each policy alone, and all of them together, in each incident, at 1, 3, 10 and 500 nodes, on virtual time: a table in Markdown
 * on stdout, a row as soon as it is there, and what is being played on stderr. `--only` plays those whose name, such as
 * `peakEwma slowNode 10`, contains the words of TEXT, one after the other; given several times, those that contain any. Equal seeds
 * give equal tables. `--json` writes all figures.
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Figures, Phases } from './figures.js';
import { allScenarios, play, type Scenario } from './scenario.js';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [''] },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const seed = Number(flags.seed);
if (!Number.isInteger(seed)) throw new Error(`--seed must be a whole number, not ${flags.seed}`);

const nameOf = ({ policy, incident, nodes }: Scenario) => ` ${policy} ${incident} ${nodes} `;
const isWanted = (scenario: Scenario) =>
  flags.only.some((text) => {
    const words = text.split(/\s+/).filter((word) => word !== '');
    return words.every((word) => nameOf(scenario).includes(/^\d+$/.test(word) ? ` ${word} ` : word));
  });

const columns: readonly (readonly [title: string, cell: (of: Figures) => string])[] = [
  ['skew', ({ skew }) => phases(skew, 2)],
  ['errors %', ({ errors }) => phases(errors, 2)],
  ['p99 ms', ({ p99 }) => phases(p99, 0)],
  ['amplification', ({ amplification }) => phases(amplification, 2)],
  ['worst second', ({ amplification }) => amplification.worst.toFixed(2)],
  ['relief s', ({ relief }) => seconds(relief)],
  ['recovery s', ({ recovery }) => seconds(recovery)],
  ['swing', ({ swing }) => `${swing.before.toFixed(1)} · ${swing.after.toFixed(1)}`],
  ['taken out', ({ takenOut, wronged }) => (takenOut === 0 ? '0' : `${takenOut} (${wronged} sound)`)],
];
const keys = ['policy', 'incident', 'nodes'];
const widths = [...[20, 14, 5], ...[18, 20, 18, 18, 12, 8, 10, 11, 16]];

function phases({ before, during, after }: Phases, digits: number): string {
  return [before, during, after].map((figure) => figure.toFixed(digits)).join(' · ');
}

function seconds(figure: number): string {
  return figure === Infinity ? '∞' : String(figure);
}

function line(cells: readonly string[]): void {
  console.log(`| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`);
}

// Whoever reads only the first lines, as `head` does, wants no more.
process.stdout.on('error', () => process.exit(0));

const wanted = [...allScenarios()].filter(isWanted);
if (wanted.length === 0)
  throw new Error(`no scenario is called ${flags.only.join(' or ')}, as 'peakEwma slowNode 10' is`);
const rows: object[] = [];
const start = performance.now();
line([...keys, ...columns.map(([title]) => title)]);
line(widths.map((width) => '-'.repeat(width)));
for (const [i, scenario] of wanted.entries()) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${i + 1}/${wanted.length}${nameOf(scenario)}`);
  const figures = play(scenario, seed);
  const { policy, incident, nodes } = scenario;
  rows.push({ policy, incident, nodes, seed, ...figures });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  line([policy, incident, String(nodes), ...columns.map(([, cell]) => cell(figures))]);
}
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, infinite, 2)}\n`);
process.stderr.write(
  `${rows.length} scenarios in ${Math.round((performance.now() - start) / 1_000)} s, seed ${seed}\n`,
);

/** What never came is no number of JSON. */
function infinite(_key: string, value: unknown): unknown {
  return value === Infinity ? null : value;
}
