/** The text of `src/` as data: its files, what they import and export, and their code without comments and strings. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** Under `src/`, such as `core/node.ts`. */
  readonly path: string;
  /** The first folder; empty for `index.ts` itself. */
  readonly folder: string;
  readonly text: string;
  /** Without comments, and with empty strings and regular expressions. */
  readonly code: string;
  readonly imports: readonly Import[];
  readonly exports: readonly string[];
}

export interface Import {
  /** A path under `src/` for a relative one, else the name of the package, without a subpath. */
  readonly target: string;
  readonly relative: boolean;
  /** True for `import type` and `export type`: gone at run time. */
  readonly typeOnly: boolean;
  /** True for `import()`: loaded when it is reached. */
  readonly lazy: boolean;
}

const tokens =
  /(?<comment>\/\*[\s\S]*?\*\/|\/\/[^\n]*)|(?<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|(?<template>`(?:\\.|[^`\\])*`)|(?<regex>(?<=(?:[(,=:[!&|?{};]|=>|return)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*)/g;

export function withoutComments(text: string): string {
  return text.replace(tokens, (token, ...rest) => (rest.at(-1).comment === undefined ? token : ''));
}

/** Only what runs: templates stay, since code stands in them. */
export function codeOf(text: string): string {
  return text.replace(tokens, (token, ...rest) => {
    const { comment, template } = rest.at(-1);
    return comment !== undefined ? '' : template !== undefined ? token : "''";
  });
}

export function readSource(): readonly SourceFile[] {
  const paths = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  return paths
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map(read);
}

function read(path: string): SourceFile {
  const text = readFileSync(join(root, 'src', path), 'utf8');
  const bare = withoutComments(text);
  return {
    path,
    folder: path.includes('/') ? path.slice(0, path.indexOf('/')) : '',
    text,
    code: codeOf(text),
    imports: importsOf(path, bare),
    exports: exportsOf(bare),
  };
}

function importsOf(path: string, bare: string): Import[] {
  const clause = /(?:^|;)\s*(?:import|export)\s+(?<type>type\s)?(?:[\w*$\s{},]*?\sfrom\s*)?['"](?<from>[^'"]+)['"]/gm;
  const call = /(?<type>\btypeof\s+)?\bimport\(\s*'(?<from>[^']+)'/g;
  const found = (pattern: RegExp, lazy: boolean): Import[] =>
    [...bare.matchAll(pattern)].map(({ groups }) => {
      const from = groups!.from!;
      const relative = from.startsWith('.');
      const target = relative ? normalize(join(dirname(path), from)).replace(/\.js$/, '.ts') : packageOf(from);
      return { target, relative, typeOnly: groups!.type !== undefined, lazy };
    });
  return [...found(clause, false), ...found(call, true)];
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function exportsOf(bare: string): string[] {
  const declared = bare.matchAll(
    /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(?:const|let|function\*?|class|type|interface)\s+([\w$]+)/gm,
  );
  const listed = bare.matchAll(/^export\s+(?:type\s+)?\{([^}]*)\}/gm);
  return [
    ...[...declared].map(([, name]) => name!),
    ...[...listed].flatMap(([, names]) => names!.split(',').map((name) => name.trim().split(/\s+/).at(-1)!)),
  ].filter(Boolean);
}

/** True for a file that leaves nothing at run time: its exports are types and interfaces. */
export function isTypesOnly({ code }: SourceFile): boolean {
  return !/^(?:export\s+)?(?:abstract\s+)?(?:async\s+)?(?:const|let|function|class)\b/m.test(code);
}

/** The files of `src/` behind the subpaths of package.json: `.` is `index.ts`, `./lumen` is `lumen/index.ts`, … */
export function doors(): ReadonlyMap<string, string> {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>;
  };
  return new Map(
    Object.entries(exports).flatMap(([subpath, target]) =>
      typeof target === 'string'
        ? []
        : [[subpath, target.types.replace(/^\.\/dist\//, '').replace(/\.d\.ts$/, '.ts')] as const],
    ),
  );
}

/** True when the repository has this file. */
export function has(path: string): boolean {
  return existsSync(join(root, path));
}
