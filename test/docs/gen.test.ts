/** Committed files that a tool writes: they are what the tool would write now. */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { root } from '../support/source.js';

/** Path to text of every file in a folder. */
function contents(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.sort().map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]));
}

describe('src/gen', () => {
  it('is what buf generates from proto/, so that nobody edits it and nobody forgets to run it', () => {
    const copy = mkdtempSync(join(tmpdir(), 'rxfleet-gen-'));
    try {
      cpSync(join(root, 'proto'), join(copy, 'proto'), { recursive: true });
      cpSync(join(root, 'buf.gen.yaml'), join(copy, 'buf.gen.yaml'));
      const bin = join(root, 'node_modules/.bin');
      const PATH = `${bin}${delimiter}${process.env.PATH}`;
      execFileSync(join(bin, 'buf'), ['generate'], { cwd: copy, env: { ...process.env, PATH }, stdio: 'pipe' });
      expect(contents(join(root, 'src/gen'))).toEqual(contents(join(copy, 'src/gen')));
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });
});

describe('package-lock.json', () => {
  it('names no download address, so that it installs from any registry', () => {
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { resolved?: string; link?: boolean }>;
    };
    const addressed = Object.entries(packages).filter(([, { resolved, link }]) => resolved !== undefined && !link);
    expect(addressed.map(([name]) => name)).toEqual([]);
    expect(Object.keys(packages).length).toBeGreaterThan(1);
  });

  it('is of the version that package.json says', () => {
    const version = (file: string) =>
      (JSON.parse(readFileSync(join(root, file), 'utf8')) as { version: string }).version;
    expect(version('package-lock.json')).toBe(version('package.json'));
  });
});
