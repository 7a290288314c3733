/**
 * The public names and signatures of each door, as committed in `test/api/`: a change of the API shows in review.
 * `UPDATE_API=1 npx vitest run test/docs/api.test.ts` writes them anew.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dirname, join as joinPath } from 'node:path/posix';
import { doors, root } from '../support/source.js';

const committed = join(root, 'test/api');
let declarations: string;

beforeAll(() => {
  declarations = mkdtempSync(join(tmpdir(), 'rxfleet-api-'));
  const flags = ['--declaration', '--emitDeclarationOnly', '--removeComments', '--noEmitOnError', 'false'];
  try {
    execFileSync('npx', ['tsc', '-p', 'tsconfig.build.json', ...flags, '--outDir', declarations], {
      cwd: root,
      stdio: 'pipe',
    });
  } catch {
    // Errors of types are the business of the type check; what was emitted is compared all the same.
  }
});
afterAll(() => rmSync(declarations, { recursive: true, force: true }));

describe('the public API', () => {
  for (const [subpath, file] of doors()) {
    it(`of ${subpath === '.' ? 'rxfleet' : `rxfleet${subpath.slice(1)}`} changes only on purpose`, () => {
      const actual = describeDoor(file.replace(/\.ts$/, '.d.ts'));
      const snapshot = join(committed, snapshotName(subpath));
      if (process.env.UPDATE_API) writeFileSync(snapshot, actual);
      expect(existsSync(snapshot), `${snapshot} is missing: run with UPDATE_API=1 and read what it writes`).toBe(true);
      expect(actual, 'if this is meant, run with UPDATE_API=1').toBe(readFileSync(snapshot, 'utf8'));
    });
  }

  it('names no type that a user cannot import', () => {
    const files = [...doors().values()].map((file) => file.replace(/\.ts$/, '.d.ts'));
    const open = new Set(files.flatMap((file) => [...exportsOf(file).keys()]));
    const closed = new Set([...declared().values()].flat().filter((name) => !open.has(name)));
    const hidden = files.flatMap((file) =>
      [...exportsOf(file)].flatMap(([name, text]) =>
        [...new Set(text.match(/\b[A-Z]\w+/g))].filter((used) => closed.has(used)).map((used) => `${name}: ${used}`),
      ),
    );
    expect([...new Set(hidden)].sort()).toEqual([]);
  });

  it('has no committed list of a door that is gone', () => {
    const expected = [...doors().keys()].map(snapshotName).sort();
    expect(readdirSync(committed).sort()).toEqual(expected);
  });
});

function snapshotName(subpath: string): string {
  return `${subpath === '.' ? 'index' : subpath.slice(2).replaceAll('/', '-')}.d.ts.txt`;
}

/** Every export of a door with its declaration, by name. */
function describeDoor(file: string): string {
  const found = [...exportsOf(file)].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(found.length, `${file} declares nothing`).toBeGreaterThan(0);
  return found.map(([, text]) => text).join('\n');
}

/** Every file of our own declarations, and the names that it declares for others. */
function declared(): Map<string, readonly string[]> {
  const files = readdirSync(declarations, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.d.ts') && !file.startsWith('gen'),
  );
  return new Map(files.map((file) => [file, [...exportsOf(file).keys()]]));
}

const listPattern = /^(?<verb>import|export)\s+(?:type\s+)?\{(?<names>[^}]*)\}(?:\s+from\s+['"](?<from>[^'"]+)['"])?/;
const declarationPattern =
  /^(?:export\s+)?(?:declare\s+)?(?:abstract\s+)?(?:const|let|var|function|class|interface|type|enum)\s+([\w$]+)/;

/** Name to declaration, for all that a file exports; a name that is passed on is followed to where it is declared. */
function exportsOf(file: string): Map<string, string> {
  const path = join(declarations, file);
  if (!existsSync(path)) throw new Error(`there is no src/${file.replace(/\.d\.ts$/, '.ts')}`);
  const statements = statementsOf(readFileSync(path, 'utf8'));
  const exports = new Map<string, string>();
  const local = new Map<string, () => string | undefined>();
  const follow = (from: string, name: string) =>
    from.startsWith('.')
      ? exportsOf(joinPath(dirname(file), from).replace(/\.js$/, '.d.ts')).get(name)
      : `export { ${name} } from '${from}';\n`;

  for (const statement of statements) {
    const { verb, names, from } = listPattern.exec(statement)?.groups ?? {};
    const declared = declarationPattern.exec(statement)?.[1];
    if (verb === 'import') {
      for (const [name, alias] of namesOf(names!)) local.set(alias, () => follow(from!, name));
    } else if (verb === 'export') {
      for (const [name, alias] of namesOf(names!)) {
        const text = from ? follow(from, name) : local.get(name)?.();
        if (text === undefined) throw new Error(`${file} passes on ${name}, which ${from ?? 'it'} does not declare`);
        exports.set(alias, alias === name ? text : `// ${alias} is\n${text}`);
      }
    } else if (declared) {
      local.set(declared, () => statement);
      if (statement.startsWith('export')) exports.set(declared, (exports.get(declared) ?? '') + statement);
    }
  }
  return exports;
}

/** The pairs of a list such as `A, type B as C`: the name there, and the name here. */
function namesOf(list: string): [string, string][] {
  return list
    .split(',')
    .map((entry) => entry.trim().replace(/^type\s+/, ''))
    .filter(Boolean)
    .map((entry) => {
      const [name, alias = name] = entry.split(/\s+as\s+/) as [string, string?];
      return [name, alias];
    });
}

/** The statements of an emitted declaration: each begins in the first column, and what belongs to it does not. */
function statementsOf(text: string): string[] {
  return text
    .split(/^(?=(?:export|declare|import|type|interface|class|const|function|abstract)\b)/m)
    .map((statement) => `${statement.trimEnd()}\n`);
}
