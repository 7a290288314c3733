/** The table of error codes in README.md: one row for each code, and none for a code that does not exist. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes } from '../../src/core/errorCodes.js';
import { root } from '../support/source.js';

const codes = Object.keys(errorCodes);

/** The codes in the first column of the table whose heading is `code`. */
function documented(): string[] {
  const lines = readFileSync(join(root, 'README.md'), 'utf8').split('\n');
  const heading = lines.findIndex((line) => /^\|\s*`?code`?\s*\|/i.test(line));
  if (heading < 0) return [];
  const end = lines.findIndex((line, i) => i > heading && !line.startsWith('|'));
  return lines.slice(heading + 2, end < 0 ? undefined : end).flatMap((line) => {
    const [, code] = /^\|\s*`(\w+)`/.exec(line) ?? [];
    return code ? [code] : [];
  });
}

describe('the error codes in README.md', () => {
  it('has a row for each code, so that no error meets its reader unexplained', () => {
    const rows = documented();
    expect(codes.filter((code) => !rows.includes(code))).toEqual([]);
  });

  it('has no row for a code that does not exist, and none twice', () => {
    const rows = documented();
    expect(rows.filter((code, i) => !codes.includes(code) || rows.indexOf(code) !== i)).toEqual([]);
  });
});

describe('the table of error codes', () => {
  it('says for each code what happened and what to do', () => {
    const empty = Object.entries(errorCodes).filter(([, { meaning, remedy }]) => !meaning || !remedy);
    expect(empty).toEqual([]);
  });
});
