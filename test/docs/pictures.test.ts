/** The pictures that are committed show what the marbles do now, and those that the documents show are there. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keptRecords } from '../../src/testing/marble/keptRecords.js';
import { committed, committedPicture, nameOf, pathOf, pictureOf, shown } from '../support/shownMarbles.js';
import { has, root } from '../support/source.js';

const renewal = 'it shows something else: renew it by `npm run marbles`, look at it, and commit marbles/pictures';

type Case = (context: object) => void;
const loaded = new Map<string, ReadonlyMap<string, Case>>();

/** The cases of a file by their titles; none of them runs. */
async function casesOf(file: string): Promise<ReadonlyMap<string, Case>> {
  const cases = new Map<string, Case>();
  vi.stubGlobal('describe', (_: string, body: () => void) => body());
  vi.stubGlobal('it', (title: string, body: Case) => cases.set(title, body));
  try {
    await import(join(root, file));
  } finally {
    vi.unstubAllGlobals();
  }
  return cases;
}

describe('a committed picture', () => {
  const pictures = mkdtempSync(join(tmpdir(), 'rxfleet-shown-'));
  beforeAll(async () => {
    vi.stubEnv('RXFLEET_PICTURES', pictures);
    vi.stubEnv('RXFLEET_MARBLES', '');
    for (const [file, title] of Object.values(shown)) {
      // A module is read once.
      if (!loaded.has(file)) loaded.set(file, await casesOf(file));
      try {
        loaded.get(file)!.get(title)?.({ task: { file: { filepath: join(root, file) } } });
      } catch {
        // That it failed is told by its record.
      }
    }
    vi.unstubAllEnvs();
  });
  afterAll(() => rmSync(pictures, { recursive: true, force: true }));

  for (const name of Object.keys(shown)) {
    it(`shows what the marbles do now: ${pathOf(name)}`, () => {
      const record = keptRecords(pictures).find((each) => nameOf(each) === name);
      expect(record, `no such case: ${shown[name]!.join(': ')}`).toBeDefined();
      expect(record!.passed, 'its case fails').toBe(true);
      expect(committedPicture(name) === pictureOf(record!), renewal).toBe(true);
    });
  }

  it('is of a case that is chosen, so that none is left behind', () => {
    const files = readdirSync(join(root, committed)).map((file) => `${committed}/${file}`);
    expect(files.sort()).toEqual(Object.keys(shown).map(pathOf).sort());
  });
});

describe('a picture in a document', () => {
  const documents = ['README.md', 'CONTRIBUTING.md'].filter(has);
  const images = documents.flatMap((document) => {
    const text = readFileSync(join(root, document), 'utf8');
    const markdown = [...text.matchAll(/!\[(?<alt>[^\]]*)\]\((?<path>[^)\s]+)/g)];
    const html = [...text.matchAll(/<img\b[^>]*>/g)].map(([tag]) => ({
      groups: { alt: /\balt="([^"]*)"/.exec(tag)?.[1] ?? '', path: /\bsrc="([^"]*)"/.exec(tag)?.[1] ?? '' },
    }));
    return [...markdown, ...html].map(({ groups }) => ({ document, alt: groups!.alt!, path: groups!.path! }));
  });

  it('is there, and says in words what it shows', () => {
    const own = images.filter(({ path }) => !/^https?:/.test(path));
    expect(own.filter(({ path }) => !has(path))).toEqual([]);
    expect(own.filter(({ alt }) => alt.length < 20)).toEqual([]);
  });
});
