/** Programs of Debian for the tests: taken from PATH, else unpacked from their packages into a cache folder. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A folder tree as Debian's packages make it, to be used where it lies. */
export interface DebianRoot {
  /** Undefined when every program was found on PATH. */
  readonly root: string | undefined;
  /** The environment in which its programs find their libraries. */
  readonly env: NodeJS.ProcessEnv;
  /** The full path of a program. */
  program(name: string): string;
}

const binFolders = ['usr/sbin', 'usr/bin', 'sbin', 'bin'] as const;

/** The full path of a program on PATH or in the system's own folders. */
export function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/**
 * These programs, from PATH when all are there and no more is asked, else from these packages and what they need.
 * `files` are files of the packages that must be there too, relative to the root, such as a Python module. With a
 * `suite` of Debian, such as `bullseye`, PATH is not asked: the packages alone come from that suite of the mirror that
 * the machine is set up for.
 *
 * @throws Error with one line that says why they are not to be had.
 */
export async function debian(
  packages: readonly string[],
  programs: readonly string[],
  files: readonly string[] = [],
  suite?: string,
): Promise<DebianRoot> {
  const complete = !suite && programs.every(onPath) && files.every((file) => existsSync(join('/', file)));
  const root = complete ? undefined : await unpacked(packages, suite);
  const missing = root && files.find((file) => !existsSync(join(root, file)) && !existsSync(join('/', file)));
  if (missing) throw new Error(`the packages ${packages.join(', ')} hold no ${missing}`);
  const env = { ...process.env };
  if (root) {
    const libraries = ['usr/lib', 'lib'].flatMap((folder) => {
      const path = join(root, folder);
      if (!existsSync(path)) return [];
      return [
        path,
        ...readdirSync(path)
          .filter((name) => name.endsWith('-linux-gnu'))
          .map((name) => join(path, name)),
      ];
    });
    env.LD_LIBRARY_PATH = [...libraries, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
    env.PYTHONPATH = join(root, 'usr/lib/python3/dist-packages');
  }
  return {
    root,
    env,
    program(name) {
      const found =
        binFolders.map((folder) => root && join(root, folder, name)).find((path) => path && isExecutable(path)) ??
        onPath(name);
      if (!found) throw new Error(`the packages ${packages.join(', ')} hold no program ${name}`);
      return found;
    },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function unpacked(packages: readonly string[], suite?: string): Promise<string> {
  const apt = onPath('apt-get');
  const dpkg = onPath('dpkg');
  if (!apt || !dpkg) throw new Error(`not on PATH and no apt-get to fetch them: ${packages.join(', ')}`);
  const base = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'rxfleet-tests', 'debian');
  mkdirSync(base, { recursive: true });
  // What the machine has decides what a package still needs, so a changed machine unpacks anew.
  const { stdout: installed } = await run('dpkg-query', ['-W'], { maxBuffer: 1 << 24 });
  const key = createHash('sha256')
    .update([...packages].sort().join(' '))
    .update(suite ?? installed)
    .digest('hex')
    .slice(0, 12);
  const root = join(base, `${packages[0]}-${key}`);
  if (existsSync(root)) return root;

  // Beside the goal and renamed at the end: two tests that unpack at once do not meet, and a broken try leaves nothing.
  const work = mkdtempSync(join(base, 'work-'));
  try {
    const archives = join(work, 'archives');
    mkdirSync(join(archives, 'partial'), { recursive: true });
    const fetch = async (): Promise<void> => {
      if (suite) return fetchFrom(suite, packages, work, archives);
      await run(
        apt,
        [
          ...['install', '-y', '--reinstall', '--no-install-recommends', '--download-only'],
          ...['-o', 'Debug::NoLocking=1', '-o', `Dir::Cache::archives=${archives}`, ...packages],
        ],
        { maxBuffer: 1 << 24, timeout: 120_000 },
      );
    };
    try {
      await fetch();
    } catch (error) {
      if (suite) throw error;
      await run(apt, ['update'], { maxBuffer: 1 << 24, timeout: 120_000 });
      await fetch();
    }
    const tree = join(work, 'root');
    mkdirSync(tree);
    for (const name of readdirSync(archives)) {
      if (name.endsWith('.deb')) await run(dpkg, ['-x', join(archives, name), tree]);
    }
    try {
      renameSync(tree, root);
    } catch (error) {
      if (!existsSync(root)) throw error;
    }
    return root;
  } catch (error) {
    const lines = String((error as { stderr?: string }).stderr || error)
      .trim()
      .split('\n');
    throw new Error(`${packages.join(', ')}: ${lines.at(-1)}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Another suite, by source lists of its own: the system's are only asked where its mirror is. */
async function fetchFrom(suite: string, packages: readonly string[], work: string, archives: string): Promise<void> {
  const asked = ['indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages'];
  const { stdout } = await run('apt-get', asked, { maxBuffer: 1 << 24 });
  const mirror = stdout
    .split('\n')
    .find((line) => line && !line.includes('security'))
    ?.split(' ')[0];
  if (!mirror) throw new Error('apt knows no mirror of Debian');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const lists = join(work, 'lists');
  mkdirSync(join(lists, 'partial'), { recursive: true });
  const sources = join(work, 'sources.list');
  writeFileSync(sources, `deb ${existsSync(keyring) ? `[signed-by=${keyring}] ` : ''}${mirror} ${suite} main\n`);
  const options = [
    ...['-o', `Dir::Etc::SourceList=${sources}`, '-o', 'Dir::Etc::SourceParts=/dev/null'],
    ...['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${work}`, '-o', 'Debug::NoLocking=1'],
  ];
  await run('apt-get', [...options, 'update'], { maxBuffer: 1 << 24, timeout: 120_000 });
  await run('apt-get', [...options, 'download', ...packages], { cwd: archives, maxBuffer: 1 << 24, timeout: 120_000 });
}
