/**
 * The benches: `npm run bench -- [--quick] [--only NAME] [--json FILE]`.
 *
 * They run compiled, as users run the library: a loader that compiles on the way adds to every function that is made.
 * `--quick` ends within three minutes on two cores. `--only` runs the rows whose name contains NAME. `--json` writes
 * the rows as `[{ name, subject, against, ratio, value, unit }]`.
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { breakerRows } from './breaker.js';
import { callRows } from './calls.js';
import { limitRows } from './limits.js';
import type { Effort, Row } from './measure.js';
import { metricRows } from './metrics.js';
import { nodeSetRows } from './nodeSet.js';
import { pickRows } from './picks.js';
import { pipelineRows } from './pipeline.js';
import { registrationRows } from './registrations.js';
import { telemetryRows } from './telemetry.js';

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

const widths = [-46, -16, -19, 7, 12, -10];
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

/** The rows beside those of calls, by what their names begin with. */
const others: Readonly<Record<string, (quick: boolean) => Iterable<Row> | Promise<Iterable<Row>>>> = {
  pipeline: pipelineRows,
  pick: pickRows,
  breaker: breakerRows,
  limit: limitRows,
  'node set': nodeSetRows,
  registrations: registrationRows,
  metrics: metricRows,
  telemetry: telemetryRows,
};

const wanted = (name: string) => name.includes(flags.only);
const start = performance.now();
line('name', 'subject', 'against', 'ratio', 'value', 'unit');
for await (const row of callRows(effort, wanted)) report(row);
for (const [prefix, rowsOf] of Object.entries(others)) {
  if (flags.only && !flags.only.startsWith(prefix) && !prefix.startsWith(flags.only)) continue;
  for (const row of await rowsOf(flags.quick)) if (wanted(row.name)) report(row);
}
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
console.log(`${rows.length} rows in ${Math.round((performance.now() - start) / 1_000)} s`);
