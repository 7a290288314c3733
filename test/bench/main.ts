/**
 * The benches: `npm run bench -- [--quick] [--only NAME] [--json FILE]`.
 *
 * `--quick` ends within two minutes on two cores. `--only` runs the rows whose name contains NAME. `--json` writes
 * the rows as `[{ name, subject, against, ratio, value, unit }]`.
 */

import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { callRows } from './calls.js';
import type { Effort, Row } from './measure.js';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
  },
});

const effort: Effort = flags.quick
  ? { rounds: 7, turnMs: 250, warmUpMs: 700 }
  : { rounds: 11, turnMs: 1_000, warmUpMs: 2_000 };

const widths = [-38, -16, -19, 7, 12, -10];
const line = (...cells: readonly string[]) =>
  console.log(
    cells.map((cell, i) => (widths[i]! < 0 ? cell.padEnd(-widths[i]!) : cell.padStart(widths[i]!))).join(' '),
  );

const rows: Row[] = [];
function report(row: Row): void {
  const { name, subject, against, ratio, value, unit } = row;
  rows.push(row);
  const shown = value.toLocaleString('en', { maximumSignificantDigits: 4 });
  line(name, subject, against, against ? `${ratio.toFixed(2)}x` : '', shown, unit);
}

type Rows = (quick: boolean) => Iterable<Row> | Promise<Iterable<Row>>;

/** The rows of another file of this folder; a line that says so where it is not there. */
async function rowsOf(file: string, name: string): Promise<Iterable<Row>> {
  const url = new URL(file, import.meta.url);
  if (!existsSync(url)) {
    console.log(`${name}: skipped, there is no test/bench/${file}`);
    return [];
  }
  const { [name]: make } = (await import(url.href)) as Record<string, Rows>;
  return make!(flags.quick);
}

const wanted = (name: string) => name.includes(flags.only);
const start = performance.now();
line('name', 'subject', 'against', 'ratio', 'value', 'unit');
for await (const row of callRows(effort, wanted)) report(row);
for (const [file, name, prefix] of [
  ['picks.ts', 'pickRows', 'pick'],
  ['breaker.ts', 'breakerRows', 'breaker'],
  ['nodeSet.ts', 'nodeSetRows', 'node set'],
  ['registrations.ts', 'registrationRows', 'registrations'],
] as const) {
  if (!flags.only || flags.only.startsWith(prefix) || prefix.startsWith(flags.only)) {
    for (const row of await rowsOf(file, name)) if (wanted(row.name)) report(row);
  }
}
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
console.log(`${rows.length} rows in ${Math.round((performance.now() - start) / 1_000)} s`);
