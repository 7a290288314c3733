/** Where the conformance suites put their cases: the test runner that is there, or one that is passed in. */

import { FleetError } from '../core/fleetError.js';

/** The two functions that every test runner has: vitest, jest, mocha, `node:test`. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => void | Promise<void>) => unknown;
}

/**
 * The runner given, else the global `describe` and `it`.
 *
 * @throws FleetError `INVALID_OPTION` when neither is to be had, saying what to pass.
 */
export function runnerOf(given?: Runner): Runner {
  if (given) return given;
  const { describe, it } = globalThis as Partial<Runner>;
  if (describe && it) return { describe, it };
  throw new FleetError(
    'INVALID_OPTION',
    'no test runner found: switch on its globals, or pass { runner: { describe, it } } from vitest or node:test',
  );
}
