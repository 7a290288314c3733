/** Where the records of cases lie until they are drawn: a file of lines for each file of cases. */

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MarbleRecord } from './marbleRecord.js';

const folderOf = (pictures: string) => join(pictures, 'records');

/** Adds a record to the folder of pictures. Two processes do not run the same file, so each file has one writer. */
export function keepRecord(pictures: string, record: MarbleRecord): void {
  const folder = folderOf(pictures);
  mkdirSync(folder, { recursive: true });
  const name = record.file.replaceAll(/[^\w.-]+/g, '__') || 'cases';
  appendFileSync(join(folder, `${name}.jsonl`), `${JSON.stringify(record)}\n`);
}

/** What was recorded, by file and order; of a case that was run again the last run counts. */
export function keptRecords(pictures: string): readonly MarbleRecord[] {
  const folder = folderOf(pictures);
  if (!existsSync(folder)) return [];
  const records = new Map<string, MarbleRecord>();
  for (const name of readdirSync(folder).sort()) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean);
    for (const record of lines.map((line) => JSON.parse(line) as MarbleRecord)) {
      records.set([record.file, ...record.suites, record.title].join('\n'), record);
    }
  }
  return [...records.values()].sort((a, b) => compare(a.file, b.file) || a.order - b.order);
}

/** Forgets all records, so that the next run begins anew. */
export function dropRecords(pictures: string): void {
  rmSync(folderOf(pictures), { recursive: true, force: true });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
