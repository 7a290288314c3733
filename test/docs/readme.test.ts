/** The code in the documents: it compiles against the source, and what is also a runnable example is the same text. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, shownOf, type Block } from '../support/markdown.js';
import { has, root } from '../support/source.js';

const documents = ['README.md', 'CONTRIBUTING.md', '.github/CONTRIBUTING.md'].filter(has);
const blocks = documents.flatMap(blocksOf).filter(({ language }) => /^(ts|typescript|js|javascript)$/.test(language));
const examples = blocks.filter(({ example }) => example !== undefined);
const programs = programsOf(blocks.filter(({ example }) => example === undefined));

/** Blocks that belong to one program, by `<!-- continues -->`. */
function programsOf(all: readonly Block[]): readonly (readonly Block[])[] {
  const found: Block[][] = [];
  for (const block of all) {
    if (block.continues && found.length > 0) found.at(-1)!.push(block);
    else found.push([block]);
  }
  return found;
}

/** The text of a program with each line where it stands in the document, so that errors name the right line. */
function placed(program: readonly Block[]): string {
  const lines: string[] = [];
  for (const { line, code, given } of program) {
    while (lines.length < line - 1) lines.push('');
    lines[line - 2] = given;
    lines.push(...code.split('\n'));
  }
  return `${lines.join('\n')}\nexport {};\n`;
}

/** What the compiler says, by file. */
function compile(sources: ReadonlyMap<string, string>): ReadonlyMap<string, readonly string[]> {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'rxfleet-docs-'));
  try {
    for (const [name, text] of sources) writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, rootDir: root },
        files: [...sources.keys()],
        include: [],
      }),
    );
    return errorsByFile(run(['tsc', '-p', folder, '--pretty', 'false']), [...sources.keys()]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run([command, ...args]: [string, ...string[]]): string {
  try {
    return execFileSync(join(root, 'node_modules/.bin', command), args, { cwd: root, encoding: 'utf8' });
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout ?? error);
  }
}

/** Errors of other files count for nobody here: the type check of the whole tree reports them. */
function errorsByFile(output: string, names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const lines = output.split('\n');
  const general = lines.filter((line) => /^error TS/.test(line));
  return new Map(names.map((name) => [name, [...general, ...lines.filter((line) => line.includes(`${name}(`))]]));
}

describe('the documents', () => {
  it('have a README with code in it', () => {
    expect(documents).toContain('README.md');
    expect(blocks.some(({ title }) => title.startsWith('README.md'))).toBe(true);
  });

  it('write their code as ts, so that none of it escapes these checks', () => {
    expect(blocks.filter(({ language }) => language !== 'ts').map(({ title }) => title)).toEqual([]);
  });
});

describe('a program in a document', () => {
  const nameOf = ([first]: readonly Block[]) => `${first!.title.replaceAll(/\W+/g, '_')}.ts`;
  let errors: ReadonlyMap<string, readonly string[]>;
  beforeAll(() => {
    errors = compile(new Map(programs.map((program) => [nameOf(program), placed(program)])));
  });

  for (const program of programs) {
    it(`compiles as it stands: ${program[0]!.title}`, () => {
      expect(errors.get(nameOf(program))).toEqual([]);
    });
  }

  for (const { title, example, code } of examples) {
    it(`is the example that the tests run: ${title} is test/examples/${example}.ts`, () => {
      expect(existsSync(join(root, 'test/examples', `${example}.ts`)), 'no such example').toBe(true);
      expect(code.trim()).toBe(shownOf(example!));
    });
  }
});
