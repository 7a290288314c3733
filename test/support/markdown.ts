/** The programs in a Markdown file: its `ts` blocks, and what the comments before them say. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './source.js';

/**
 * One block of code. The lines of HTML comments right before a block say how it is checked:
 *
 * - `<!-- example: name -->`: it is the text of `test/examples/name.ts`, which the tests run;
 * - `<!-- continues -->`: it goes on where the block before it ended;
 * - `<!-- given: CODE -->`: what the reader is asked to imagine, on one line.
 *
 * A block without a comment is a whole program.
 */
export interface Block {
  /** Such as `README.md:12`. */
  readonly title: string;
  readonly language: string;
  /** The line of the first line of its code; the first line of the file is 1. */
  readonly line: number;
  readonly code: string;
  readonly example?: string;
  readonly continues: boolean;
  readonly given: string;
}

const fence =
  /^(?<comments>(?:[ \t]*<!--[^\n]*-->[ \t]*\n(?:[ \t]*\n)?)*)(?<indent>[ \t]*)```(?<language>\w+)[^\n]*\n(?<code>[\s\S]*?)^\k<indent>```[ \t]*$/gm;

export function blocksOf(file: string): readonly Block[] {
  const text = readFileSync(join(root, file), 'utf8').replaceAll('\r\n', '\n');
  return [...text.matchAll(fence)].map(({ index, groups, 0: all }) => {
    const { comments, indent, language, code } = groups as Record<string, string>;
    const line = text.slice(0, index + all.indexOf('```')).split('\n').length + 1;
    const said = (what: RegExp) => what.exec(comments!)?.[1]?.trim();
    return {
      title: `${file}:${line}`,
      language: language!,
      line,
      code: code!.replaceAll(new RegExp(`^${indent}`, 'gm'), '').trimEnd(),
      example: said(/<!--\s*example:(.*?)-->/),
      continues: /<!--\s*continues\s*-->/.test(comments!),
      given: said(/<!--\s*given:(.*?)-->/) ?? '',
    };
  });
}

/** What a document shows of an example: from `//#region example` to `//#endregion`, or all below its opening comment. */
export function shownOf(example: string): string {
  const text = readFileSync(join(root, 'test/examples', `${example}.ts`), 'utf8');
  const region = /^\/\/ *#region example[^\n]*\n([\s\S]*?)^\/\/ *#endregion/m.exec(text);
  return (region ? region[1]! : text.replace(/^\/\*\*[\s\S]*?\*\/\n/, '')).trim();
}
