/** Makes the pictures of the cases that were recorded: one file each, and one page. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { marblePage, type MarblePageOptions } from './marblePage.js';
import type { MarbleRecord } from './marbleRecord.js';
import { marbleSvg } from './picture/marbleSvg.js';
import { dropRecords, keptRecords } from './keptRecords.js';
import { shelved } from './shelved.js';

/** A case and where its picture lies. */
export interface MarblePicture {
  readonly record: MarbleRecord;
  readonly svg: string;
  /** From the folder of pictures: `balancer/roundRobin/the-nodes-take-turns.svg`. */
  readonly path: string;
}

/**
 * Draws what `marble()` has recorded in this folder: `index.html` shows it all, and each case is an SVG of its own below
 * `FOLDER/FILE/`. The records are gone after it, so that the next run begins anew.
 *
 *     RXFLEET_PICTURES=pictures node --test
 *     node -e "import('rxfleet/testing').then(({ drawMarbles }) => drawMarbles('pictures'))"
 *
 * With vitest and jest it can stand in what they run when all is over: the teardown that a `globalSetup` of vitest gives
 * back, `globalTeardown` of jest.
 */
export function drawMarbles(folder: string, options: MarblePageOptions = {}): readonly MarblePicture[] {
  const records = keptRecords(folder);
  const shelves = shelved(records, Object.keys(options.folders ?? {}));
  const pictures = shelves.flatMap(({ files }) => {
    return files.flatMap(({ cases }) => cases.map(({ record, path }) => ({ record, path, svg: marbleSvg(record) })));
  });
  for (const { path, svg } of pictures) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${svg}\n`);
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'index.html'), marblePage(records, options));
  dropRecords(folder);
  return pictures;
}
