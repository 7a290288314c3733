/** The picture of a case: all of what was recorded is to be seen in it, and nothing else. */

import fc from 'fast-check';
import { concat, map, take } from 'rxjs';
import { leastLoaded } from '../../../src/balancer/leastLoaded.js';
import { roundRobin } from '../../../src/balancer/roundRobin.js';
import { FleetError } from '../../../src/core/fleetError.js';
import { createNode } from '../../../src/core/node.js';
import { failover } from '../../../src/call/failover.js';
import { marbleSvg } from '../../../src/testing/marble/picture/marbleSvg.js';
import { recorded, rowsOf } from '../../support/recorded.js';
import { elementsIn, parsedXml } from '../../support/xml.js';

const down = new FleetError('UNAVAILABLE', 'down');
const [x, y] = ['x', 'y'].map((id) => createNode({ id, address: `${id}.example:1` }));

/** What is drawn, one element a line, without the colours. */
const drawn = (svg: string): readonly string[] =>
  svg
    .replace(/<style>[\s\S]*<\/style>\n/, '')
    .replaceAll(/>\n*</g, '>\n<')
    .split('\n');
const words = (svg: string): string => /<desc>(.*?)<\/desc>/.exec(svg)![1]!;
/** The labels of the lines, from top to bottom. */
const labels = (svg: string): readonly string[] =>
  [...svg.matchAll(/<text (?:class="w" )?x="20" [^>]*>(.*?)<\/text>/g)]
    .map(([, label]) => label!)
    .filter((label) => !label.startsWith('failed') && !/^(title|a case)/.test(label));
const count = (svg: string, what: RegExp): number => svg.match(what)?.length ?? 0;

describe('the picture of a case', () => {
  it('is this', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const first = cold(' -#', undefined, down);
      const second = cold('a|');
      expectObservable(first.pipe(failover(() => second))).toBe('-a|');
    }, 'the second takes over');
    expect(drawn(marbleSvg(record, { width: 320, name: 'failover' }))).toMatchInlineSnapshot(`
      [
        "<svg xmlns="http://www.w3.org/2000/svg" class="mb" role="img" width="320" height="261" viewBox="0 0 320 261">",
        "<title>the second takes over</title>",
        "<desc>first from 0 ms to 1 ms: fails at 1 ms. second from 1 ms to 2 ms: a at 1 ms, ends at 2 ms. result: a at 1 ms, ends at 2 ms. # is UNAVAILABLE: down.</desc>",
        "<rect class="bg" x="0.5" y="0.5" width="319" height="260" rx="10"/>",
        "<path class="g" d="M84 66V210M144 66V210M204 66V210"/>",
        "<text class="t" x="20" y="27" dy=".35em">the second takes over</text>",
        "<text class="k" x="84" y="52" dy=".35em" text-anchor="middle">0 ms</text>",
        "<text class="k" x="144" y="52" dy=".35em" text-anchor="middle">1</text>",
        "<text class="k" x="204" y="52" dy=".35em" text-anchor="middle">2</text>",
        "<text x="20" y="85" dy=".35em">first</text>",
        "<g>",
        "<path class="l" d="M84 85L144 85"/>",
        "<circle class="a" cx="84" cy="85" r="3"/>",
        "<path class="x" d="M137 78l14 14m0 -14l-14 14"/>",
        "</g>",
        "<text x="20" y="123" dy=".35em">second</text>",
        "<g>",
        "<path class="l" d="M144 123L204 123"/>",
        "<circle class="a" cx="144" cy="123" r="3"/>",
        "<g class="m m1">",
        "<circle cx="144" cy="123" r="11"/>",
        "<text x="144" y="123" dy=".35em" text-anchor="middle">a</text>",
        "</g>",
        "<path class="e" d="M204 112L204 134"/>",
        "</g>",
        "<rect class="b" x="12" y="146" width="296" height="22" rx="7"/>",
        "<text class="bt" x="160" y="157" dy=".35em" text-anchor="middle">failover</text>",
        "<text x="20" y="191" dy=".35em">result</text>",
        "<g>",
        "<path class="l" d="M84 191L204 191"/>",
        "<circle class="a" cx="84" cy="191" r="3"/>",
        "<g class="m m1">",
        "<circle cx="144" cy="191" r="11"/>",
        "<text x="144" y="191" dy=".35em" text-anchor="middle">a</text>",
        "</g>",
        "<path class="e" d="M204 180L204 202"/>",
        "</g>",
        "<path class="x" d="M23.5 226l9 9m0 -9l-9 9"/>",
        "<text class="n" x="42" y="230.5" dy=".35em">UNAVAILABLE: down</text>",
        "</svg>",
      ]
    `);
  });

  it('says in words what it shows', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const first = cold('--#', undefined, down);
      const never = cold('x|');
      const second = cold('-a|', { a: { tokens: 3 } });
      expectObservable(concat(first.pipe(failover(() => second))), '^---!').toBe('---a', { a: { tokens: 3 } });
      void never;
    });
    expect(words(marbleSvg(record))).toBe(
      'first from 0 ms to 2 ms: fails at 2 ms. second from 2 ms to 4 ms: a at 3 ms. never: never subscribed. ' +
        'result from 0 ms to 4 ms: a at 3 ms. # is UNAVAILABLE: down; a is { tokens: 3 }.',
    );
  });

  it('is the same text each time', () => {
    const draw = () =>
      marbleSvg(
        recorded(({ nodes, picks, expectPicks }) => {
          nodes('a--|', { a: [x!, y!] }).pipe(roundRobin());
          picks('-pp|');
          expectPicks('-xy|');
        }),
      );
    expect(draw()).toBe(draw());
  });

  it('shows every message of whatever case, and is well-formed', () => {
    const letters = fc.constantFrom(...'abcxyz<&"é😀');
    const diagram = fc
      .array(fc.oneof(letters, fc.constant('-'), fc.constant(' 20ms ')), { maxLength: 14 })
      .chain((parts) => fc.constantFrom('', '|', '#').map((end) => parts.join('') + end));
    const drawing = fc.record({
      // Lines that are alike are drawn once.
      diagrams: fc.uniqueArray(diagram, { minLength: 1, maxLength: 4 }),
      title: fc.string(),
      leftAt: fc.nat({ max: 60 }),
    });
    fc.assert(
      fc.property(drawing, ({ diagrams, title, leftAt }) => {
        const record = recorded(({ cold, hot, expectObservable }) => {
          diagrams.forEach((each, i) => {
            // One is left early, so that often less comes than is expected.
            expectObservable(i % 2 ? hot(each) : cold(each), i === 2 ? `${leftAt}ms !` : null).toBe(each);
          });
        }, title);
        const marks = [
          ...rowsOf(record, 'cold').flatMap(({ runs }) => runs.flatMap((run) => run.marks)),
          ...rowsOf(record, 'hot').flatMap(({ script }) => script),
          ...rowsOf(record, 'result').flatMap((row) => (row.matches ? row.came : [...row.expected!, ...row.came])),
        ];
        const svg = marbleSvg(record);
        const elements = elementsIn(parsedXml(svg));
        const marbles = elements.filter(({ attributes }) => /^m m\d$/.test(attributes.class ?? ''));
        const onLines = marbles.filter(({ children }) => children[0]!.attributes.r === '11');
        const ofKind = (kind: string) => marks.filter((mark) => mark.kind === kind);
        const paths = (kind: string) => elements.filter(({ attributes }) => attributes.class === kind);
        expect(onLines.map(({ children }) => children[1]!.text).sort()).toEqual(
          ofKind('next')
            .map(({ letter }) => letter)
            .sort(),
        );
        expect(paths('e')).toHaveLength(ofKind('complete').length);
        expect(paths('x')).toHaveLength(ofKind('error').length);
        expect(elements.find(({ name }) => name === 'title')!.text).toBe(title);
        expect(svg).not.toMatch(/NaN|Infinity|undefined/);
      }),
    );
  });

  it('draws a result that differs beside what was expected, rings what is wrong, and says that it failed', () => {
    const record = recorded(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-b-c|');
      expectObservable(source.pipe(take(2))).toBe('-a---(b|)');
      expectSubscriptions(source.subscriptions).toBe('^----!');
    });
    const svg = marbleSvg(record);
    expect(labels(svg)).toEqual(['source', 'expected ^!', 'came ^!', 'expected', 'came']);
    // Expected: b and the end, later; came: both, earlier.
    expect(count(svg, /class="r hl"/g)).toBe(4);
    expect(svg).toContain('failed: what came is not what was expected');
    expect(words(svg)).toContain('result: a at 1 ms, b at 3 ms, ends at 3 ms; expected was a at 1 ms, b at 5 ms');
    expect(words(svg)).toContain('The case failed');
  });

  it('shows why a case failed whose lines are all as expected', () => {
    const record = recorded(({ cold, expectObservable }) => {
      expectObservable(cold('a|')).toBe('a|');
      expect(1, 'the count of calls').toBe(2);
    });
    expect(marbleSvg(record)).toContain('the count of calls');
  });

  it('rings a pick that fell elsewhere, and where it should have fallen', () => {
    const record = recorded(({ nodes, picks, expectPicks }) => {
      nodes('a--|', { a: [x!, y!] }).pipe(roundRobin());
      picks('-pp|');
      expectPicks('-x0|');
    });
    const svg = marbleSvg(record);
    expect(count(svg, /class="r hl"[^>]*\/>/g)).toBe(2);
    expect(count(svg, /class="r hl"[^>]*stroke-dasharray/g)).toBe(1);
  });

  it('draws the lives of nodes, hatched while they take no calls, and what is in flight on them', () => {
    const away = createNode({ ...x!, availability: 'unavailable' });
    const record = recorded(({ nodes, picks, expectPicks }) => {
      nodes('a-----b--|', { a: [x!], b: [away] }).pipe(leastLoaded());
      picks('-p-p-e-p-|', { e: { end: 'x' } });
      expectPicks('-x-x-x-0-|');
    });
    const svg = marbleSvg(record);
    expect(count(svg, /fill="url\(#marble-hatch\)"/g)).toBe(1);
    expect(svg).toContain('<defs><pattern id="marble-hatch"');
    // One call, two, one again: three heights.
    expect(count(svg, /class="m0 load"/g)).toBe(3);
    expect(svg).toMatch(/>unavailable<.*>no node</);
  });

  it('draws as many nodes as can be seen, of ten thousand, with those that got a call', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => createNode({ id: `n${i}`, address: `n${i}.example:1` }));
    const record = recorded(({ nodes, picks, expectPicks }) => {
      nodes('a--|', { a: many }).pipe(roundRobin({ random: () => 0.5 }));
      picks('-p-|');
      expectPicks('-x-|');
    });
    const svg = marbleSvg(record);
    expect(svg).toContain('>n5000<');
    expect(svg).toContain('and 9976 more');
    expect(Number(/ height="(\d+)"/.exec(svg)![1])).toBeLessThan(1_200);
  });

  it('stays within bounds however much is said', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const chatty = cold(`${'ab'.repeat(300)}(${'c'.repeat(300)}|)`);
      expectObservable(chatty).toBe('-');
    });
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(marbleSvg(record))!;
    expect(Number(width)).toBeLessThan(2_700);
    expect(Number(height)).toBeLessThan(2_200);
  });

  it('draws lines that are alike once, and says how many there are', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const source = cold('-a|');
      for (let i = 0; i < 3; i++) expectObservable(source.pipe(map((letter) => letter))).toBe('-a|');
    });
    const svg = marbleSvg(record);
    expect(count(svg, />3 times</g)).toBe(2);
    expect(labels(svg)).toEqual(['source', 'result 1']);
  });

  it('tells errors of one case apart by number', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const first = cold('#', undefined, down);
      const second = cold('-#', undefined, new FleetError('INTERNAL', 'broken'));
      expectObservable(first.pipe(failover(() => second))).toBe('-#', undefined, new FleetError('INTERNAL', 'broken'));
    });
    expect(words(marbleSvg(record))).toContain('#1 is UNAVAILABLE: down; #2 is INTERNAL: broken');
  });

  it('tells what a letter means to each row, where rows do not agree on it', () => {
    const record = recorded(({ cold, expectObservable }) => {
      const numbers = cold('a-b|', { a: 1, b: 2 });
      expectObservable(numbers.pipe(map((n) => n * 2))).toBe('a-b|', { a: 2, b: 4 });
    });
    expect(words(marbleSvg(record))).toContain('In numbers: a is 1; b is 2. In result: a is 2; b is 4.');
  });
});
