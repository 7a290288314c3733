/**
 * The benches: `npm run bench -- [--quick] [--only NAME] [--json FILE]`.
 *
 * They run compiled, as users run the library: a loader that compiles on the way adds to every function that is made. Each group
 * has a process of its own, since code that has seen everything is compiled for everything, and slower than in any program.
 * `--quick` ends within two minutes on two cores. `--only` runs the rows whose name contains NAME. `--json` writes
 * the rows as `[{ name, subject, against, ratio, value, unit }]`.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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
    group: { type: 'string' },
  },
});

const effort: Effort = flags.quick
  ? { rounds: 7, turnMs: 200, warmUpMs: 500 }
  : { rounds: 11, turnMs: 1_000, warmUpMs: 2_000 };

const wanted = (name: string) => name.includes(flags.only);

type Rows = Iterable<Row> | AsyncIterable<Row>;

/** The groups, by what the names of their rows begin with; those of calls have several names. */
const groups: Readonly<Record<string, () => Rows | Promise<Rows>>> = {
  calls: () => callRows(effort, wanted),
  pipeline: () => pipelineRows(flags.quick),
  pick: () => pickRows(flags.quick),
  breaker: () => breakerRows(flags.quick),
  limit: () => limitRows(flags.quick),
  'node set': () => nodeSetRows(flags.quick),
  registrations: () => registrationRows(flags.quick),
  metrics: () => metricRows(flags.quick),
  telemetry: () => telemetryRows(flags.quick),
};

const mayHold = (group: string) =>
  group === 'calls' || !flags.only || flags.only.startsWith(group) || group.startsWith(flags.only);

if (flags.group !== undefined) {
  for await (const row of await groups[flags.group]!()) if (wanted(row.name)) process.send!(row);
  process.disconnect();
} else {
  await runAll();
}

async function runAll(): Promise<void> {
  const widths = [-46, -16, -19, 7, 12, -10];
  const line = (...cells: readonly string[]) =>
    console.log(
      cells.map((cell, i) => (widths[i]! < 0 ? cell.padEnd(-widths[i]!) : cell.padStart(widths[i]!))).join(' '),
    );
  const rows: Row[] = [];
  const report = (row: Row) => {
    const { name, subject, against, ratio, value, unit } = row;
    rows.push(row);
    const shown = value.toLocaleString('en', { maximumSignificantDigits: 4 });
    line(name, subject, against, against ? `${ratio.toFixed(2)}x` : '', shown, unit);
  };
  const start = performance.now();
  line('name', 'subject', 'against', 'ratio', 'value', 'unit');
  for (const group of Object.keys(groups).filter(mayHold)) {
    const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--group', group]);
    child.on('message', (row) => report(row as Row));
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the group ${group} ended with ${code}`);
  }
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(`${rows.length} rows in ${Math.round((performance.now() - start) / 1_000)} s`);
}
