/** What a case calls a source, read off the line that makes it: a picture with `first` and `second` needs no legend. */

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const own = dirname(fileURLToPath(import.meta.url));
const framesRead = 12;
const frame = /\(?((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])[^()]*):(\d+):(\d+)\)?$/;
const maker = /^(?:cold|hot)\b(?:<[^(]*>)?\(/;
const nameless = new Set(['cold', 'hot', 'undefined', 'null']);
const files = new Map<string, readonly string[]>();

/** `const first = cold(`, `put: [m.cold(`, `const put = [m.cold('-a'), m.cold(`. */
const assigned = /([\w$]+)\??\s*[:=]\s*(?:\[(?:[^[\]]*,)?\s*)?(?:[\w$]+\.)*(?:cold|hot)(?:<[^(]*>)?\(\s*$/;
/** `follow(`, where a case draws through a function of its own. */
const called = /^\s*(?:[\w$]+\.)*([\w$]+)\(\s*$/;

/**
 * The name of the source that is being made, where the code says one: that of the variable or the property that takes
 * it, or of the function that is called with the diagram. To be called from the wrapper around `cold` or `hot`.
 */
export function sourceName(diagram: string): string | undefined {
  const lines = callers();
  // The line where the diagram stands knows best, however deep below it the source is made.
  const drawn = lines.flatMap(({ text }) => prefixTo(text, diagram));
  const made = lines.slice(0, 1).flatMap(({ text, column }) => prefixOf(text, column));
  for (const { prefix, rest } of [...drawn, ...made]) {
    const name = isPiped(rest) ? undefined : (assigned.exec(prefix)?.[1] ?? called.exec(prefix)?.[1]);
    if (name && !nameless.has(name)) return name;
  }
  return undefined;
}

/** A line, cut where the arguments of the call begin. */
interface Cut {
  readonly prefix: string;
  readonly rest: string;
}

function prefixTo(text: string, diagram: string): readonly Cut[] {
  if (diagram === '') return [];
  const at = ["'", '"', '`'].map((quote) => text.indexOf(quote + diagram + quote)).find((index) => index >= 0);
  return at === undefined ? [] : [{ prefix: text.slice(0, at), rest: text.slice(at) }];
}

function prefixOf(text: string, column: number): readonly Cut[] {
  const call = maker.exec(text.slice(column));
  if (!call) return [];
  const begin = column + call[0].length;
  return [{ prefix: text.slice(0, begin), rest: text.slice(begin) }];
}

/** True when the name is that of something made of the source: `const ids$ = cold('a-b').pipe(…)`. */
function isPiped(rest: string): boolean {
  let depth = 1;
  const end = [...rest].findIndex((char) => {
    depth += char === '(' ? 1 : char === ')' ? -1 : 0;
    return depth === 0;
  });
  return end >= 0 && rest.slice(end + 1).startsWith('.pipe(');
}

function callers(): readonly { readonly text: string; readonly column: number }[] {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = framesRead;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return stack
    .split('\n')
    .map((line) => frame.exec(line))
    .filter((found) => found !== null)
    .map(([, path, line, column]) => ({ path: pathOf(path!), line: Number(line), column: Number(column) - 1 }))
    .filter(({ path }) => !path.startsWith(own) && !path.includes('node_modules'))
    .map(({ path, line, column }) => ({ text: linesOf(path)[line - 1] ?? '', column }));
}

function pathOf(path: string): string {
  return path.startsWith('file:') ? fileURLToPath(path) : path;
}

function linesOf(path: string): readonly string[] {
  let lines = files.get(path);
  if (!lines) {
    try {
      lines = readFileSync(path, 'utf8').split('\n');
    } catch {
      lines = [];
    }
    files.set(path, lines);
  }
  return lines;
}
