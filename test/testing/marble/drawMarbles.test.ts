/** From cases that run to files: a picture each, and the page that shows them all. */

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { drawMarbles } from '../../../src/testing/marble/drawMarbles.js';
import { marblePage } from '../../../src/testing/marble/marblePage.js';
import type { MarbleRecord } from '../../../src/testing/marble/marbleRecord.js';
import { keepRecord, keptRecords } from '../../../src/testing/marble/keptRecords.js';
import { shelved } from '../../../src/testing/marble/shelved.js';
import { recorded } from '../../support/recorded.js';
import { root } from '../../support/source.js';
import { parsedXml } from '../../support/xml.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'rxfleet-pictures-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const plain = recorded(({ cold, expectObservable }) => expectObservable(cold('a|')).toBe('a|'));
const failing = recorded(({ cold, expectObservable }) => expectObservable(cold('a|')).toBe('b|'));
const at = (file: string, order: number, title: string, suites: string[] = [], like: MarbleRecord = plain) => {
  const { rows, passed, failure } = like;
  return { rows, passed, failure, file, order, title, suites };
};
const records = [
  at('marbles/call/retry.marbles.ts', 1, 'each wait is twice the one before', ['retry']),
  at('marbles/discovery/etcd/watchRange.marbles.ts', 1, 'watches', ['watchRange']),
  at('marbles/balancer/roundRobin.marbles.ts', 2, 'The nodes <b>take</b> "turns"', ['roundRobin', 'and its source']),
  at('marbles/balancer/roundRobin.marbles.ts', 1, 'the nodes take turns', ['roundRobin'], failing),
  at('marbles/balancer/roundRobin.marbles.ts', 3, 'the nodes take turns', ['roundRobin', 'again']),
];
const folders = { discovery: 'Where are the nodes?', balancer: 'Which one?', call: 'What happens?' };

describe('records', () => {
  it('are kept until they are drawn; of a case that runs twice the last run counts', () => {
    keepRecord(folder, at('marbles/a.ts', 1, 'one', [], failing));
    keepRecord(folder, at('marbles/a.ts', 2, 'two'));
    keepRecord(folder, at('marbles/a.ts', 1, 'one'));
    expect(keptRecords(folder).map(({ title, passed }) => [title, passed])).toEqual([
      ['one', true],
      ['two', true],
    ]);
    drawMarbles(folder);
    expect(keptRecords(folder)).toEqual([]);
  });

  it('come in the order of their files, however they were run', () => {
    for (const record of records) keepRecord(folder, record);
    expect(keptRecords(folder).map(({ file, order }) => [file.split('/')[1], order])).toEqual([
      ['balancer', 1],
      ['balancer', 2],
      ['balancer', 3],
      ['call', 1],
      ['discovery', 1],
    ]);
  });
});

describe('the shelves', () => {
  it('stand in the order that is asked for, the others behind them by name', () => {
    const order = (given: string[]) => shelved(records, given).map((shelf) => shelf.folder);
    expect(order(['discovery', 'balancer', 'call'])).toEqual(['discovery', 'balancer', 'call']);
    expect(order(['discovery'])).toEqual(['discovery', 'balancer', 'call']);
    expect(order([])).toEqual(['balancer', 'call', 'discovery']);
  });

  it('give each case a place of its own, also where two have one title', () => {
    const paths = shelved(records).flatMap(({ files }) => files.flatMap(({ cases }) => cases.map(({ path }) => path)));
    expect(paths).toEqual([
      'balancer/roundRobin/the-nodes-take-turns.svg',
      'balancer/roundRobin/the-nodes-b-take-b-turns.svg',
      'balancer/roundRobin/the-nodes-take-turns-2.svg',
      'call/retry/each-wait-is-twice-the-one-before.svg',
      'discovery/etcd/watchRange/watches.svg',
    ]);
  });

  it('take cases whose file is not known', () => {
    expect(shelved([at('', 1, '…')])).toMatchObject([
      { folder: '', files: [{ name: 'cases', cases: [{ path: 'cases/case.svg' }] }] },
    ]);
  });
});

describe('the page', () => {
  const page = marblePage(records, { title: 'Marbles & more', folders });

  it('reads in the order of the folders, and says what each answers', () => {
    expect(
      [...page.matchAll(/<h2[^>]*>(.*?)<\/h2><p class="question">(.*?)<\/p>/g)].map(([, name, question]) => [
        name,
        question,
      ]),
    ).toEqual(Object.entries(folders));
    expect([...page.matchAll(/<h3[^>]*><a[^>]*>(.*?)<\/a>/g)].map(([, name]) => name)).toEqual([
      'etcd/watchRange',
      'roundRobin',
      'retry',
    ]);
    // A heading that only repeats the file is left out.
    expect([...page.matchAll(/<h4>(.*?)<\/h4>/g)].map(([, heading]) => heading)).toEqual(['and its source', 'again']);
  });

  it('shows each case with its title', () => {
    const titles = [...page.matchAll(/<figcaption>.*?<a[^>]*>(.*?)<\/a>/g)].map(([, title]) => title);
    expect(titles).toHaveLength(records.length);
    expect(titles).toContain('The nodes &lt;b&gt;take&lt;/b&gt; &quot;turns&quot;');
    for (const [svg] of page.matchAll(/<svg class="mb" role[\s\S]*?<\/svg>/g)) parsedXml(svg);
  });

  it('names what failed at its head', () => {
    expect(page).toContain('<strong class="failed">1 failed.</strong>');
    expect(page).toMatch(/<ul class="failures"><li><a href="#balancer-roundrobin-the-nodes-take-turns">/);
    expect(marblePage([])).toContain('All passed.');
  });

  it('needs nothing but itself', () => {
    expect(page).not.toMatch(/<script|<link|<img|\ssrc=|@import|https?:/);
    expect([...page.matchAll(/url\((.*?)\)/g)].map(([, target]) => target)).not.toContain(
      expect.not.stringMatching(/^#/),
    );
    const ids = new Set([...page.matchAll(/\sid="(.*?)"/g)].map(([, id]) => id));
    for (const [, target] of page.matchAll(/href="(.*?)"/g)) {
      expect(target).toMatch(/^#/);
      expect(ids, 'a link that leads nowhere').toContain(target!.slice(1));
    }
    expect(ids.size).toBe([...page.matchAll(/\sid="/g)].length);
  });

  it('is the same text each time', () => {
    expect(marblePage([...records].reverse(), { title: 'Marbles & more', folders })).toBe(page);
  });
});

describe('a user of node:test', () => {
  it('gets pictures of cases that run there, failed ones among them', async () => {
    const file = join(folder, 'turns.test.ts');
    const source = (path: string) => JSON.stringify(join(root, 'src', path));
    writeFileSync(
      file,
      `import { describe, it } from 'node:test';
       import { marble } from ${source('testing/marble.ts')};
       const runner = { describe, it };
       describe('outer', () => describe('inner', () => {
         marble('passes', ({ cold, expectObservable }) => expectObservable(cold('a|')).toBe('a|'), { runner });
         marble('fails', ({ cold, expectObservable }) => expectObservable(cold('a|')).toBe('b|'), { runner });
       }));`,
    );
    const pictures = join(folder, 'pictures');
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', '--test', file], {
      cwd: root,
      env: { ...env, RXFLEET_PICTURES: pictures, RXFLEET_MARBLES: '' },
    });
    await expect(run).rejects.toMatchObject({ stdout: expect.stringContaining('# fail 1') });
    const drawn = drawMarbles(pictures);
    expect(drawn.map(({ record: { title, suites, passed } }) => [title, suites, passed])).toEqual([
      ['passes', ['outer', 'inner'], true],
      ['fails', ['outer', 'inner'], false],
    ]);
    for (const { path, svg } of drawn) expect(readFileSync(join(pictures, path), 'utf8')).toBe(`${svg}\n`);
    expect(readFileSync(join(pictures, 'index.html'), 'utf8')).toContain('1 failed.');
    expect(existsSync(join(pictures, 'records'))).toBe(false);
  });
});
