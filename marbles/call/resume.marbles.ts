import { map, startWith, Subject, takeUntil, type Observable } from 'rxjs';
import { checkResume, continuationOf, type Resume } from '../../src/call/resume.js';
import type { Demand } from '../../src/core/demand.js';
import { FleetError } from '../../src/core/fleetError.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { retryBudget } from '../../src/core/retryBudget.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, failedAt, node } from './drawnClient.js';
import type { Answers, DrawnCallOptions, DrawnClientOptions } from './drawnClient.js';

const down = new FleetError('UNAVAILABLE', 'down');

/** Letters in the order of the alphabet: a request says where to begin. */
const alphabet: Resume<{ from: string }, string, string> = {
  continuity: 'exact',
  begin: () => '',
  see: (_, letter) => letter,
  next: ({ from }, last) => ({ from: last === '' ? from : String.fromCharCode(last.charCodeAt(0) + 1) }),
  position: (letter) => letter.charCodeAt(0),
};

interface Setting extends DrawnCallOptions, DrawnClientOptions {
  readonly resume?: Partial<Resume<{ from: string }, string, string>>;
  readonly onResumed?: (error: FleetError) => void;
}

/** A call that is resumed, and what each of its attempts asked for. */
function resumed(m: MarbleHelpers, answers: Record<string, Answers>, { resume, onResumed, ...setting }: Setting = {}) {
  const asked: string[] = [];
  const client = drawnClient(m, answers, setting);
  const call = (options: DrawnCallOptions = {}): Observable<string> => {
    const continuation = continuationOf({ ...alphabet, ...resume }, { from: 'a' }, onResumed);
    return client.call({ ...setting, ...options, continuation: () => continuation }).pipe(
      map((letter) => {
        asked.push(continuation.request.from);
        return letter;
      }),
    );
  };
  return { ...client, call, asked };
}

describe('resume', () => {
  marble('a stream that breaks goes on with what is missing, on another node: no gap, no repeat', (m) => {
    const first = m.cold('-a-b-#', undefined, down);
    const second = m.cold('-c-d|');
    const run = resumed(m, { x: first, y: second });
    m.expectObservable(run.call()).toBe('-a-b--c-d|');
    m.expectSubscriptions(second.subscriptions).toBe('-----^---!');
    m.flush();
    expect(run.asked).toEqual(['a', 'a', 'c', 'c']);
    expect(run.events.filter(({ type }) => type === 'resumed')).toMatchObject([
      { after: 'UNAVAILABLE', messages: 2, continuity: 'exact', attempt: 2 },
    ]);
  });

  marble('without a strategy the error stands: what was said is never said twice', (m) => {
    const second = m.cold('-c|');
    const { call } = drawnClient(m, { x: m.cold('-a-#', undefined, down), y: second });
    m.expectObservable(call()).toBe('-a-#', undefined, failedAt(down, ['x', 3]));
    m.expectSubscriptions(second.subscriptions).toBe([]);
  });

  marble('what a node says again is dropped until it is new', (m) => {
    const run = resumed(m, { x: m.cold('-a-b-#', undefined, down), y: m.cold('-a-b-c|') });
    m.expectObservable(run.call()).toBe('-a-b------c|');
  });

  marble('a gap is an error, and so is a repeat amid a stream', (m) => {
    const gap = resumed(m, { x: m.cold('-a-c|') });
    const missing = new FleetError('BAD_RESPONSE', 'answer 99 came after answer 97: 1 answers are missing');
    m.expectObservable(gap.call()).toBe('-a-#', undefined, failedAt(missing, ['x', 3]));
    const repeat = resumed(m, { x: m.cold('-a-b-b|') });
    const twice = new FleetError('BAD_RESPONSE', 'answer 98 came after answer 98: it was given already');
    m.expectObservable(repeat.call()).toBe('-a-b-#', undefined, failedAt(twice, ['x', 5]));
    const late = resumed(m, { x: m.cold('-a-#', undefined, down), y: m.cold('-c|') });
    const { attempts } = failedAt(down, ['x', 3]);
    const both = [...attempts, ...failedAt(missing, ['y', 1]).attempts];
    m.expectObservable(late.call()).toBe('-a--#', undefined, missing.with({ node: 'y', attempts: both }));
  });

  marble('breaks are mended so often and no more', (m) => {
    const one = (letter: string) => m.cold(`-${letter}#`, undefined, down);
    const run = resumed(m, { x: one('a'), y: one('b'), z: one('c') }, { resume: { maxResumes: 2 } });
    m.expectObservable(run.call()).toBe('-a-b-c#', undefined, failedAt(down, ['x', 2], ['y', 2], ['z', 2]));
  });

  marble('a code that is no break, a full budget and a strategy that has enough let the error pass', (m) => {
    const refused = new FleetError('INVALID_ARGUMENT', 'too long');
    const other = resumed(m, { x: m.cold('-a#', undefined, refused), y: m.cold('b|') });
    m.expectObservable(other.call()).toBe('-a#', undefined, failedAt(refused, ['x', 2]));
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 0 });
    const poor = resumed(m, { x: m.cold('-a#', undefined, down), y: m.cold('b|') }, { budget });
    m.expectObservable(poor.call()).toBe('-a#', undefined, failedAt(down, ['x', 2]));
    const done = resumed(
      m,
      { x: m.cold('-a#', undefined, down), y: m.cold('b|') },
      { resume: { next: () => undefined } },
    );
    m.expectObservable(done.call()).toBe('-a#', undefined, failedAt(down, ['x', 2]));
  });

  marble('a strategy that throws fails the call, and so does who is told of it: nothing hangs', (m) => {
    const boom = new Error('boom');
    const throwing = () => {
      throw boom;
    };
    const { attempts } = failedAt(down, ['x', 2]);
    const told = FleetError.from(boom).with({ attempts });
    const answers = () => ({ x: m.cold('-a#', undefined, down), y: m.cold('b|') });
    const next = resumed(m, answers(), { resume: { next: throwing } });
    m.expectObservable(next.call()).toBe('-a#', undefined, told);
    const listener = resumed(m, answers(), { onResumed: throwing });
    m.expectObservable(listener.call()).toBe('-a#', undefined, told);
    m.flush();
    expect([next.asked, listener.asked]).toEqual([['a'], ['a']]);
    expect([next.leases.open, listener.leases.open]).toEqual([0, 0]);
  });

  marble('nobody is told of a break that is not mended', (m) => {
    const told: FleetError[] = [];
    const onResumed = (error: FleetError) => void told.push(error);
    const budget = retryBudget({ scheduler: m.scheduler, ratio: 0, minPerSecond: 0 });
    const answers = () => ({ x: m.cold('-a#', undefined, down), y: m.cold('b|') });
    const poor = resumed(m, answers(), { onResumed, budget });
    m.expectObservable(poor.call()).toBe('-a#', undefined, failedAt(down, ['x', 2]));
    m.flush();
    expect(told).toEqual([]);
  });

  marble('who gives the call up when told of a break begins no further attempt', (m) => {
    const given$ = new Subject<void>();
    const second = m.cold('b|');
    const run = resumed(m, { x: m.cold('-a#', undefined, down), y: second }, { onResumed: () => given$.next() });
    m.expectObservable(run.call().pipe(takeUntil(given$))).toBe('-a|');
    m.expectSubscriptions(second.subscriptions).toBe([]);
  });

  marble('while nobody is there to go on, those that were tried may come back', (m) => {
    const run = resumed(m, { x: [m.cold('-a-#', undefined, down), m.cold('-b|')] });
    m.expectObservable(run.call()).toBe('-a--b|');
  });

  marble('a node that could not be reached is passed over, whatever the codes that count as a break', (m) => {
    const broken = new FleetError('INTERNAL', 'broken');
    const unsent = new FleetError('UNAVAILABLE', 'refused', { sent: false });
    const answers = { x: m.cold('-a-#', undefined, broken), y: m.cold('#', undefined, unsent), z: m.cold('-b|') };
    const run = resumed(m, answers, { resume: { codes: ['INTERNAL'] } });
    m.expectObservable(run.call()).toBe('-a--b|');
  });

  marble('an answer after a break may be rewritten to fit what was said', (m) => {
    const shouted: Setting['resume'] = { rewrite: (letter) => (letter === 'c' ? undefined : letter.toLowerCase()) };
    const run = resumed(m, { x: m.cold('-a-#', undefined, down), y: m.cold('-c-B|') }, { resume: shouted });
    m.expectObservable(run.call()).toBe('-a----b|');
  });

  marble('before the first answer it is retried as any call', (m) => {
    const run = resumed(m, { x: m.cold('-#', undefined, down), y: m.cold('-a-b|') });
    m.expectObservable(run.call()).toBe('----a-b|');
  });

  marble('the deadline ends a stream that is resumed, too', (m) => {
    const run = resumed(m, { x: m.cold('-a-#', undefined, down), y: m.cold('-') });
    const cut = failedAt(down, ['x', 3]).attempts;
    m.expectObservable(run.call({ deadlineMs: 6 })).toBe(
      '-a----#',
      undefined,
      new FleetError('DEADLINE_EXCEEDED', 'call had no answer within 6 ms', {
        attempts: [
          ...cut,
          {
            node: 'y',
            address: 'y:1',
            code: 'DEADLINE_EXCEEDED',
            message: 'no answer within the deadline',
            durationMs: 3,
          },
        ],
      }),
    );
  });

  marble('unsubscribing amid the second half cancels it', (m) => {
    const second = m.cold('-b-c-d');
    const run = resumed(m, { x: m.cold('-a-#', undefined, down), y: second });
    m.expectObservable(run.call(), '^----!').toBe('-a--b');
    m.expectSubscriptions(second.subscriptions).toBe('---^-!');
  });

  it('fails with what begin throws as with any error', () => {
    const begin = () => {
      throw new TypeError('no beginning');
    };
    const begun = () => continuationOf({ ...alphabet, begin }, { from: 'a' });
    expect(begun).toThrow(FleetError);
    expect(begun).toThrow('no beginning');
  });

  it('refuses senseless options, by name', () => {
    expect(() => checkResume({ maxResumes: -1 })).toThrow('resume.maxResumes');
    expect(() => checkResume({ stall: { factor: 0 } })).toThrow('resume.stall.factor');
    expect(() => checkResume({ stall: { minMs: 0 } })).toThrow('resume.stall.minMs');
    expect(() => checkResume({ stall: { after: 0.5 } })).toThrow('resume.stall.after');
    expect(() => checkResume({ stall: { factor: NaN } })).toThrow('resume.stall.factor');
  });
});

/** A consumer that takes nothing for a while. */
function pausing({ scheduler }: MarbleHelpers, fromMs: number, toMs: number): Demand {
  const waiting: (() => void)[] = [];
  scheduler.schedule(() => waiting.splice(0).forEach((callback) => callback()), toMs);
  return {
    get ready() {
      return scheduler.now() < fromMs || scheduler.now() >= toMs;
    },
    whenReady: (callback) => void waiting.push(callback),
  };
}

describe('a stall', () => {
  const stall = { factor: 4, minMs: 1, after: 2 };

  marble('silence for many times the usual gap is a break, and another node goes on', (m) => {
    const silent = m.cold('-a-b-c--------------------');
    const second = m.cold('-d|');
    const run = resumed(m, { x: silent, y: second }, { resume: { stall } });
    // The usual gap is 2: at 5 + 8 it has stalled.
    m.expectObservable(run.call()).toBe('-a-b-c--------d|');
    m.expectSubscriptions(silent.subscriptions).toBe('^------------!');
    m.flush();
    expect(run.events.filter(({ type }) => type === 'stalled')).toMatchObject([
      { node: { id: 'x' }, silentMs: 8, usualMs: 2 },
    ]);
  });

  marble('whatever the codes of a node that count as a break, its silence is one', (m) => {
    const answers = { x: m.cold('-a-b-c'), y: m.cold('-d|') };
    const run = resumed(m, answers, { resume: { stall, codes: ['INTERNAL'] } });
    m.expectObservable(run.call()).toBe('-a-b-c--------d|');
  });

  marble('a stream that slows down within reason is left alone', (m) => {
    const run = resumed(m, { x: m.cold('-a-b-c-----d-----e|') }, { resume: { stall } });
    m.expectObservable(run.call()).toBe('-a-b-c-----d-----e|');
  });

  marble('nobody judges before some gaps are known, nor before the least time', (m) => {
    const first = resumed(m, { x: m.cold('a-------------b|') }, { resume: { stall } });
    m.expectObservable(first.call()).toBe('a-------------b|');
    const patient = resumed(m, { x: m.cold('abc---------d|') }, { resume: { stall: { ...stall, minMs: 10 } } });
    m.expectObservable(patient.call()).toBe('abc---------d|');
  });

  marble('a stream whose reader pauses is left alone: the silence is the reader’s', (m) => {
    const run = resumed(m, { x: m.cold('-a-b-c 29ms d-e|') }, { resume: { stall }, demand: pausing(m, 5, 30) });
    m.expectObservable(run.call()).toBe('-a-b-c 29ms d-e|');
  });

  marble('a node that is silent once its reader is back has stalled, however long the reader was away', (m) => {
    const answers = { x: m.cold('-a-b-c 24ms d'), y: m.cold('-e|') };
    const run = resumed(m, answers, { resume: { stall }, demand: pausing(m, 5, 29) });
    // The reader is back at 29, d comes at 30, and its gap of 25 is not that of the node: at 30 + 8 it has stalled.
    m.expectObservable(run.call()).toBe('-a-b-c 24ms d 8ms e|');
    const mute = resumed(
      m,
      { x: m.cold('-a-b-c'), y: m.cold('-d|') },
      { resume: { stall }, demand: pausing(m, 5, 30) },
    );
    m.expectObservable(mute.call()).toBe('-a-b-c 33ms d|');
    m.flush();
    expect(run.events.filter(({ type }) => type === 'stalled')).toMatchObject([{ silentMs: 8, usualMs: 2 }]);
    expect(mute.events.filter(({ type }) => type === 'stalled')).toMatchObject([{ silentMs: 8, usualMs: 2 }]);
  });

  marble('a reader who pauses amid a gap, and then leaves, is no stall', (m) => {
    const run = resumed(m, { x: m.cold('-a-b-c') }, { resume: { stall }, demand: pausing(m, 9, 30) });
    m.expectObservable(run.call(), '20ms !').toBe('-a-b-c');
    m.flush();
    expect(run.events.filter(({ type }) => type === 'stalled')).toEqual([]);
  });

  marble('where it cannot go on the error says how long it was silent', (m) => {
    const run = resumed(m, { x: m.cold('-a-b-c') }, { resume: { stall, next: () => undefined } });
    const text = 'node x fell silent for 8 ms amid its answer, where 2 ms are usual';
    m.expectObservable(run.call()).toBe(
      '-a-b-c-------#',
      undefined,
      failedAt(new FleetError('UNAVAILABLE', text), ['x', 13]),
    );
  });

  marble('the time until another node goes on is no gap of it', (m) => {
    const answers = { x: m.cold('-a-b-c-#', undefined, down), y: m.cold('------d-e'), z: m.cold('-f|') };
    const run = resumed(m, answers, { resume: { stall } });
    m.expectObservable(run.call()).toBe('-a-b-c-------d-e--------f|');
    m.flush();
    expect(run.events.filter(({ type }) => type === 'stalled')).toMatchObject([{ silentMs: 8, usualMs: 2 }]);
  });

  marble('a node that should go on and never speaks is found out as well', (m) => {
    const mute = m.cold('-');
    const run = resumed(
      m,
      { x: m.cold('-a-b-c-#', undefined, down), y: mute, z: m.cold('-d|') },
      { resume: { stall } },
    );
    // It is at it from 7 on.
    m.expectObservable(run.call()).toBe('-a-b-c----------d|');
    m.expectSubscriptions(mute.subscriptions).toBe('-------^-------!');
  });

  marble('a node that goes on may take as long for its first answer as the first one did, by the same measure', (m) => {
    const answers = { x: m.cold('---a-b-c-#', undefined, down), y: m.cold('-----------d|') };
    const run = resumed(m, answers, { resume: { stall } });
    m.expectObservable(run.call()).toBe('---a-b-c------------d|');
  });

  marble('a call that waits until a node can go on is not stalled meanwhile', (m) => {
    const later = m.cold('------a 33ms b', { a: NodeSet.of([]), b: NodeSet.of([node('y')]) });
    const sets = later.pipe(startWith(NodeSet.of([node('x')])));
    const answers = { x: m.cold('-a-b-c-#', undefined, down), y: m.cold('-d|') };
    const run = resumed(m, answers, { resume: { stall }, sets, waitForReady: true });
    m.expectObservable(run.call()).toBe('-a-b-c 35ms d|');
  });
});
