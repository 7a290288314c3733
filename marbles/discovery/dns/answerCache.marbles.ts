/** Answers and their lives: `a` and `b` are answers, a frame is a millisecond. */

import { catchError, concatMap, map, of, type Observable } from 'rxjs';
import { AnswerCache } from '../../../src/discovery/dns/answerCache.js';
import type { Answer } from '../../../src/discovery/dns/askResolvers.js';
import type { DnsRecord } from '../../../src/discovery/dns/record.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

const question = { name: 'w1.fleet.test', type: 'A' as const };
const answer = (address: string, ttl: number): Answer => {
  const record: DnsRecord = { name: question.name, ttl, type: 'A', address };
  return { records: [record], additionals: [], ttl };
};

function cache(m: MarbleHelpers, diagrams: readonly string[], ttl = 0.02) {
  const queries = diagrams.map((diagram) => m.cold(diagram, { a: answer('a', ttl), b: answer('b', ttl) }));
  let asked = 0;
  const answers = new AnswerCache({ ask: () => queries[asked++]!, minTtlMs: 10, maxTtlMs: 50, scheduler: m.scheduler });
  const text = (source: Observable<{ records: readonly DnsRecord[]; stale?: string }>) =>
    source.pipe(
      map(
        ({ records, stale }) =>
          `${records.map((record) => ('address' in record ? record.address : '')).join()}${stale ? '!' : ''}`,
      ),
      catchError(() => of('x')),
    );
  /** What is got at each letter of the diagram. */
  const at = (diagram: string, method: 'get' | 'getOrStale' = 'get') =>
    m.hot(diagram).pipe(concatMap(() => text(answers[method](question))));
  return { answers, queries, at, asked: () => asked };
}

describe('AnswerCache', () => {
  marble('keeps an answer for its life, and asks again after it', (m) => {
    const { at } = cache(m, ['--(a|)', '--(b|)']);
    m.expectObservable(at('t----t-- 20ms t---')).toBe('--a--a-- 22ms b-');
  });

  marble('asks once for all that ask at the same time', (m) => {
    const { answers, queries } = cache(m, ['---(a|)']);
    const got = () => answers.get(question).pipe(map(() => 'a'));
    m.expectObservable(got()).toBe('---(a|)');
    m.expectObservable(got()).toBe('---(a|)');
    m.expectSubscriptions(queries[0]!.subscriptions).toBe('^--!');
  });

  marble('drops the query once the last that waits for it has gone', (m) => {
    const { answers, queries } = cache(m, ['-']);
    m.expectObservable(answers.get(question), '^--!').toBe('---');
    m.expectObservable(answers.get(question), '^----!').toBe('-----');
    m.expectSubscriptions(queries[0]!.subscriptions).toBe('^----!');
  });

  marble('lets no answer live shorter than the least life', (m) => {
    const { at } = cache(m, ['(a|)', '(b|)'], 0);
    m.expectObservable(at('t 8ms t--t')).toBe('a 8ms a--b');
  });

  marble('lets no answer live longer than the most', (m) => {
    const { at } = cache(m, ['(a|)', '(b|)'], 3_600);
    m.expectObservable(at('t 48ms t--t')).toBe('a 48ms a--b');
  });

  marble('does not keep a failure: the next question is a query again', (m) => {
    const { at } = cache(m, ['-#', '-(a|)']);
    m.expectObservable(at('t--t--')).toBe('-x--a-');
  });

  marble('gives the old answer for one that cannot be had, and does not ask again for five seconds', (m) => {
    const { at, asked } = cache(m, ['(a|)', '-#', '(b|)']);
    m.expectObservable(at('t 29ms t--t 4995ms t--t', 'getOrStale')).toBe('a 30ms A-A 4995ms A--b', {
      ...{ a: 'a', b: 'b', A: 'a!' },
    });
    m.flush();
    expect(asked()).toBe(3);
  });

  marble('asks anew for what is declared doubtful', (m) => {
    const { answers, at } = cache(m, ['(a|)', '(b|)']);
    m.hot('---x').subscribe(() => answers.expire('W1.fleet.test'));
    m.expectObservable(at('t-t--t')).toBe('a-a--b');
  });

  marble('forgets the names that nobody needs any more', (m) => {
    const { answers, at } = cache(m, ['(a|)', '(b|)']);
    m.hot('---x').subscribe(() => answers.retain(['other.fleet.test']));
    m.expectObservable(at('t-t--t')).toBe('a-a--b');
  });

  marble('takes the addresses that came along with SRV records, and asks neither family then', (m) => {
    const srv: DnsRecord = { name: 's', ttl: 1, type: 'SRV', target: 'W1.fleet.test', port: 1, priority: 0, weight: 0 };
    const additionals: DnsRecord[] = [{ name: 'w1.fleet.test', ttl: 1, type: 'A', address: 'x' }];
    const asked: string[] = [];
    const answers = new AnswerCache({
      ...{ minTtlMs: 10, maxTtlMs: 50, scheduler: m.scheduler },
      ask: ({ type }) => {
        asked.push(type);
        return of({ records: [srv], additionals, ttl: 1 });
      },
    });
    const counts$ = m.cold('(sab|)', { s: 'SRV', a: 'A', b: 'AAAA' } as const).pipe(
      concatMap((type) => answers.get({ name: type === 'SRV' ? 's' : question.name, type })),
      map(({ records }) => records.length),
    );
    m.expectObservable(counts$).toBe('(110|)', { 1: 1, 0: 0 });
    m.flush();
    expect(asked).toEqual(['SRV']);
  });
});
