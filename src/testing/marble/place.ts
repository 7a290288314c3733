/** Where a case stands, as far as its test runner tells. */

import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Place {
  /** From the working directory, with `/`; empty when nobody tells. */
  readonly file: string;
  /** The headings above the case, outermost first. */
  readonly suites: readonly string[];
}

interface Suite {
  readonly name?: string;
  readonly suite?: Suite;
}

/** What vitest and node:test hand to a case. */
interface Context {
  readonly task?: Suite & { readonly file?: { readonly filepath?: string } };
  readonly filePath?: string;
  readonly fullName?: string;
}

/** The place of the case that runs, from what its runner handed to it: vitest and node:test do, jest says it globally. */
export function placeOf(title: string, given: unknown): Place {
  const { task, filePath, fullName } = (given ?? {}) as Context;
  if (task) return { file: shortened(task.file?.filepath), suites: suitesAbove(task) };
  // node:test runs each file in a process of its own, and older ones do not tell its name.
  if (fullName !== undefined) {
    return { file: shortened(filePath ?? process.argv[1]), suites: above(title, fullName, ' > ') };
  }
  const { testPath, currentTestName } = globalState();
  return { file: shortened(testPath), suites: above(title, currentTestName, ' ') };
}

function suitesAbove({ suite }: Suite): readonly string[] {
  return suite?.name ? [...suitesAbove(suite), suite.name] : [];
}

/** The headings before a title, where the runner gives them as one text. */
function above(title: string, fullName: string | undefined, between: string): readonly string[] {
  if (!fullName?.endsWith(between + title)) return [];
  const heading = fullName.slice(0, -(between + title).length);
  return between === ' ' ? [heading] : heading.split(between);
}

function globalState(): { readonly testPath?: string; readonly currentTestName?: string } {
  const { expect } = globalThis as { expect?: { getState?(): object } };
  return expect?.getState?.() ?? {};
}

function shortened(path: string | undefined): string {
  if (!path) return '';
  return relative(process.cwd(), path.startsWith('file:') ? fileURLToPath(path) : path).replaceAll(sep, '/');
}
