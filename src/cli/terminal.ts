/** How the commands talk: results to stdout, everything about them to stderr, and a clean way out. */

import type { FleetError } from '../index.js';

/** Where a command writes, and how it learns that it should end. */
export interface Terminal {
  /** A line of the result, to stdout. */
  line(text: string): void;
  /** Text of the result as it comes, to stdout. */
  write(text: string | Uint8Array): void;
  /** A line about what goes on, to stderr. */
  say(text: string): void;
  /** A line that replaces the one before it; where stderr is no terminal only each `every`-th is written. */
  progress(text: string, every?: boolean): void;
  /** Aborted by Ctrl-C and SIGTERM; a second Ctrl-C ends the process at once. */
  readonly interrupted: AbortSignal;
}

/** The terminal of this process. */
export function openTerminal(): Terminal {
  const controller = new AbortController();
  let open = false;

  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  // A reader that has gone (`rxfleet nodes | head -1`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });

  const endProgress = () => {
    if (open) process.stderr.write('\n');
    open = false;
  };
  return {
    line(text) {
      endProgress();
      process.stdout.write(`${text}\n`);
    },
    write(text) {
      endProgress();
      process.stdout.write(text);
    },
    say(text) {
      endProgress();
      process.stderr.write(`${text}\n`);
    },
    progress(text, every = false) {
      if (process.stderr.isTTY) {
        process.stderr.write(`\r\x1b[2K${text}`);
        open = true;
      } else if (every) {
        process.stderr.write(`${text}\n`);
      }
    },
    interrupted: controller.signal,
  };
}

/** `[=======>      ] 120/600` */
export function bar(done: number, total: number, width = 30): string {
  const filled = Math.round((done / total) * width);
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}] ${String(done).padStart(String(total).length)}/${total}`;
}

/** Rows under a heading, each column as wide as its longest cell. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** An error as a person reads it: what happened, then what to do. */
export function explained(error: FleetError): string {
  return `rxfleet: ${error.code}: ${error.message}\n  ${error.remedy}`;
}
