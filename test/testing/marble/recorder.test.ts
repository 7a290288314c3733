/** What is recorded of a case is what was run: not its text, and whether it passed or not. */

import { concat, map, mergeMap, take, timer, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { leastLoaded } from '../../../src/balancer/leastLoaded.js';
import { roundRobin } from '../../../src/balancer/roundRobin.js';
import { FleetError } from '../../../src/core/fleetError.js';
import { createNode, updateNode } from '../../../src/core/node.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import type { MarbleRecord } from '../../../src/testing/marble/marbleRecord.js';
import { recorded, rowsOf, said } from '../../support/recorded.js';

const down = new FleetError('UNAVAILABLE', 'down');
const [x, y] = ['x', 'y'].map((id) => createNode({ id, address: `${id}.example:1` }));

describe('a source', () => {
  it('that is cold is kept as often as it was subscribed to, each time with what came through', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const twice = cold('-a--b|');
      expectObservable(concat(twice.pipe(take(1)), twice)).toBe('-aa--b|');
    });
    expect(record.passed).toBe(true);
    const [source] = rowsOf(record, 'cold');
    expect(said(source!.script)).toBe('a@1 b@4 |@5');
    expect(source!.runs.map(({ from, to, marks }) => [from, to, said(marks)])).toEqual([
      [0, 1, 'a@1'],
      [1, 6, 'a@2 b@5 |@6'],
    ]);
  });

  it('that is left at the moment of a value tells whether the value still came through', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const source = cold('-a-b|');
      expectObservable(source, '^--!').toBe('-a');
      expectObservable(source.pipe(take(2))).toBe('-a-(b|)');
    });
    const [source] = rowsOf(record, 'cold');
    expect(source!.runs.map(({ to, marks }) => [to, said(marks)])).toEqual([
      [3, 'a@1'],
      [3, 'a@1 b@3'],
    ]);
  });

  it('that nobody subscribed to has no run', () => {
    const record = recorded(({ cold, expectSubscriptions }) => {
      expectSubscriptions(cold('-a|').subscriptions).toBe([]);
    });
    expect(rowsOf(record, 'cold')).toMatchObject([{ runs: [] }]);
    expect(rowsOf(record, 'subscriptions')).toMatchObject([{ source: 0, expected: [], came: [], matches: true }]);
  });

  it('that is hot is kept once, with who listened and from when to when', () => {
    const record = recorded(({ hot, expectObservable }) => {
      const source = hot('-a-b-#', undefined, down);
      expectObservable(source, '--^-!').toBe('---b');
    });
    expect(rowsOf(record, 'hot')).toMatchObject([
      { runs: [{ from: 2, to: 4 }], letters: { '#': 'UNAVAILABLE: down' } },
    ]);
    expect(said(rowsOf(record, 'hot')[0]!.script)).toBe('a@1 b@3 #@5');
  });

  it('that is hot has said nothing where the case broke off before', () => {
    const record = recorded(({ hot }) => {
      hot('a-b|');
      throw new Error('broken');
    });
    expect(said(rowsOf(record, 'hot')[0]!.script)).toBe('');
  });

  it('that is made while the clock runs is told from those that the case drew', () => {
    const record = recorded(({ cold, expectObservable, flush }) => {
      const outer = cold('-a|');
      const late = () => cold('-b|');
      expectObservable(outer.pipe(mergeMap(late))).toBe('--b|');
      flush();
      cold('x');
    });
    expect(rowsOf(record, 'cold').map(({ diagram, late }) => [diagram, late])).toEqual([
      ['-a|', undefined],
      ['-b|', true],
      ['x', undefined],
    ]);
  });

  it('bears the name that the case gives it, where the line says one', () => {
    const record = recorded((m) => {
      const first = m.cold('a|');
      const typed$ = m.hot<string>('b|');
      const object = { put: m.cold('c|'), renew: [m.cold('d|'), m.cold('e|')] };
      const draw = (diagram: string) => m.hot(diagram).subscribe();
      const piped$ = m.cold('f|').pipe(map((letter) => letter));
      draw('g|');
      m.expectObservable(m.cold('h|')).toBe('h|');
      void [first, typed$, object, piped$];
    });
    expect(rowsOf(record, 'cold', 'hot').map(({ name }) => name)).toEqual([
      ...['first', 'typed$', 'put', 'renew', 'renew', undefined],
      ...['draw', undefined],
    ]);
  });
});

describe('a result', () => {
  it('is kept as it came, in the letters of the diagram', () => {
    const values = { a: { n: 1 }, b: { n: 2 } };
    const record = recorded(({ cold, expectObservable }) => {
      const numbers = cold('x-y-#', { x: 1, y: 2 }, down);
      expectObservable(numbers.pipe(map((n) => ({ n })))).toBe('a-b-#', values, down);
    });
    const [result] = rowsOf(record, 'result');
    expect(said(result!.came)).toBe('a@0 b@2 #@4');
    expect(result!.letters).toEqual({ a: '{ n: 1 }', b: '{ n: 2 }', '#': 'UNAVAILABLE: down' });
  });

  it('that differs is kept beside what was expected, and the case has failed', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const source = cold('a-b-c|', { a: 1, b: 2, c: 3 });
      expectObservable(source).toBe('a--b|', { a: 1, b: 9 });
    });
    expect(record).toMatchObject({ passed: false, failure: expect.stringContaining('deep-equal') });
    expect(record.thrown).toBeInstanceOf(Error);
    const [result] = rowsOf(record, 'result');
    expect(result!.matches).toBe(false);
    expect(said(result!.expected!)).toBe('a@0 b@3 |@4');
    // What nobody expected gets letters that no diagram uses.
    expect(said(result!.came)).toBe('a@0 α@2 β@4 |@5');
    expect(result!.letters).toEqual({ a: '1', b: '9', α: '2', β: '3' });
  });

  it('fails by its error alone, which then is told from the one that was expected', () => {
    const record = recorded(({ cold, expectObservable }) => {
      expectObservable(cold('-#', undefined, down)).toBe('-#', undefined, new FleetError('INTERNAL', 'broken'));
    });
    const [result] = rowsOf(record, 'result');
    expect([said(result!.expected!), said(result!.came)]).toEqual(['#@1', '#2@1']);
    expect(result!.letters).toEqual({ '#': 'INTERNAL: broken', '#2': 'UNAVAILABLE: down' });
  });

  it('has letters for more values than there are letters', () => {
    const record = recorded(({ expectObservable }) => {
      const numbers$ = timer(0, 1).pipe(
        take(60),
        map((n) => n + 100),
      );
      expectObservable(numbers$).toBe('-');
    });
    const letters = rowsOf(record, 'result')[0]!.came.map(({ letter }) => letter);
    expect(new Set(letters).size).toBe(61);
  });

  it('that is compared with another Observable has letters all the same', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const doubled = () => cold('a-b|').pipe(map((letter) => letter + letter));
      expectObservable(doubled()).toEqual(doubled());
    });
    expect(rowsOf(record, 'result')).toMatchObject([{ matches: true, letters: { α: 'aa', β: 'bb' } }]);
  });
});

describe('subscriptions', () => {
  it('that differ are kept as they were and as they should have been', () => {
    const record = recorded(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-b|');
      expectObservable(source, '^--!').toBe('-a');
      expectSubscriptions(source.subscriptions).toBe(['^-!', '---^']);
    });
    expect(record.passed).toBe(false);
    expect(rowsOf(record, 'subscriptions')).toEqual([
      {
        ...{ row: 'subscriptions', diagrams: ['^-!', '---^'], source: 0, matches: false },
        expected: [{ from: 0, to: 2 }, { from: 3 }],
        came: [{ from: 0, to: 3 }],
      },
    ]);
  });
});

describe('picks', () => {
  it('are kept with the node that each fell on, when its call ended, and the nodes as they came and went', () => {
    const gone = updateNode(y!, { availability: 'connecting' });
    const record = recorded(({ nodes, picks, expectPicks }) => {
      nodes('a-----b-|', { a: [x!, y!], b: [x!, gone] }).pipe(leastLoaded());
      picks('-p-q-e-r|', { q: { exclude: new Set(['x']) }, e: { end: 'x' } });
      expectPicks('-x-y-x-x|');
    });
    expect(record.passed).toBe(true);
    const [drawn] = rowsOf(record, 'picks');
    expect(drawn!.picks).toEqual([
      { at: 1, letter: 'p', answer: 'x', until: 5 },
      { at: 3, letter: 'q', answer: 'y' },
      { at: 5, letter: 'e', answer: 'x', ends: true },
      { at: 7, letter: 'r', answer: 'x' },
    ]);
    expect(drawn!.letters).toEqual({ q: 'a call: not x', e: 'the oldest call on x ends' });
    const [set] = rowsOf(record, 'nodes');
    expect(said(set!.marks)).toBe('a@0 b@6');
    expect(set!.sets).toEqual({ a: [{ id: 'x' }, { id: 'y' }], b: [{ id: 'x' }, { id: 'y', out: 'connecting' }] });
  });

  it('that fall elsewhere are kept beside what was expected', () => {
    const record = recorded(({ nodes, picks, expectPicks }) => {
      nodes('a--|', { a: [x!, y!] }).pipe(roundRobin());
      picks('-pp|');
      expectPicks('-xx|');
    });
    const [drawn] = rowsOf(record, 'picks');
    expect([record.passed, drawn!.matches]).toEqual([false, false]);
    expect([said(drawn!.expected!), said(drawn!.came)]).toEqual(['x@1 x@2 |@3', 'x@1 y@2 |@3']);
  });
});

describe('the place of a case', () => {
  describe('under headings', () => {
    let record: MarbleRecord;
    const body = ({ cold, expectObservable }: MarbleHelpers) => expectObservable(cold('a|')).toBe('a|');
    marble('is its file and the headings above it', body, { onRecord: (each) => (record = each) });

    it('as vitest tells it', () => {
      expect(record).toMatchObject({
        title: 'is its file and the headings above it',
        file: 'test/testing/marble/recorder.test.ts',
        suites: ['the place of a case', 'under headings'],
      });
    });
  });
});

describe('recording', () => {
  const body = ({ cold, hot, expectObservable, expectSubscriptions }: MarbleHelpers): void => {
    const source = cold('-a-(bc)-#', undefined, down);
    expectObservable(source, '^----!').toBe('-a-(bc)');
    expectObservable(hot('a-b|')).toBe('a-b|');
    expectSubscriptions(source.subscriptions).toBe('^----!');
  };

  it('is plain data, which may be written down and read again', () => {
    const record = recorded(body);
    expect(JSON.parse(JSON.stringify(record))).toEqual(record);
  });

  it('is done for nobody: without a listener the helpers are those of rxjs, untouched', () => {
    vi.stubEnv('RXFLEET_MARBLES', '');
    vi.stubEnv('RXFLEET_PICTURES', '');
    const made: (Observable<unknown> & { readonly scheduleMessages: unknown })[] = [];
    const runner = { describe: () => undefined, it: (_: string, run: () => void) => run() };
    marble('a case', ({ cold }) => void made.push(cold('a')), { runner });
    vi.unstubAllEnvs();
    const plain = new TestScheduler(() => true).createColdObservable('a');
    expect(made[0]!.scheduleMessages).toBe(plain.scheduleMessages);
    expect(Object.hasOwn(made[0]!, 'scheduleMessages')).toBe(false);
  });

  it('prints a case as it was drawn, when the environment asks for it', () => {
    vi.stubEnv('RXFLEET_MARBLES', '1');
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    recorded((m) => {
      body(m);
      m.nodes('a-|', { a: [x!, y!] }).pipe(roundRobin());
      m.picks('-p|');
      m.expectPicks('-x|');
    }, 'a title');
    const printed = log.mock.calls.map(([line]) => line).join('\n');
    vi.unstubAllEnvs();
    log.mockRestore();
    expect(printed).toBe(
      [
        'a title',
        '    cold           -a-(bc)-#',
        '    subscribed     ^----!',
        '    expected       -a-(bc)',
        '    hot            a-b|',
        '    expected       a-b|',
        '    subscriptions  ^----!',
        '    nodes$         a-|',
        '                   a = x y',
        '    pick()         -p|',
        '    expected       -x|',
        '',
      ].join('\n'),
    );
  });

  it('changes no order: a case that depends on it passes in either way', () => {
    const log: string[] = [];
    const ordered = ({ cold, hot, expectObservable, scheduler }: MarbleHelpers) => {
      const shared = hot('--a');
      shared.subscribe(() => log.push('hot'));
      cold('--a|').subscribe({ next: () => log.push('cold'), complete: () => log.push('end') });
      scheduler.schedule(() => log.push('timer'), 2);
      expectObservable(shared).toBe('--a');
    };
    recorded(ordered);
    const withRecorder = log.splice(0);
    const runner = { describe: () => undefined, it: (_: string, run: () => void) => run() };
    marble('a case', ordered, { runner });
    expect(withRecorder).toEqual(log);
    expect(log).toHaveLength(4);
  });
});
