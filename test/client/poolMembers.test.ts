/** Members that come, go and change while a pool runs. */

import {
  BehaviorSubject,
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  NEVER,
  of,
  Subject,
  take,
  throwError,
} from 'rxjs';
import { createPool, staticNodes, weightedRoundRobin, type Pool, type PoolOptions } from '../../src/index.js';
import { until } from '../support/until.js';

interface Resource {
  readonly name: string;
  ended: boolean;
}

const resource = (name: string): Resource => ({ name, ended: false });

function poolOf(options: Partial<PoolOptions<Resource>> = {}): Pool<Resource> {
  return createPool<Resource>({
    members: [{ id: 'a', resource: resource('a') }],
    close: (each) => (each.ended = true),
    balancer: weightedRoundRobin(),
    ...options,
  });
}

const name = (pool: Pool<Resource>) => firstValueFrom(pool.use((each) => of(each.name)));

async function counts(pool: Pool<Resource>, uses: number): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (let i = 0; i < uses; i++) {
    const each = await name(pool);
    found[each] = (found[each] ?? 0) + 1;
  }
  return found;
}

describe('members added by hand', () => {
  it('bring their resource, and get their share at once', async () => {
    await using pool = poolOf();
    expect(await counts(pool, 4)).toEqual({ a: 4 });
    pool.add({ id: 'b', resource: resource('b'), weight: 3 });
    expect(await counts(pool, 8)).toEqual({ a: 2, b: 6 });
  });

  it('change their share while the pool runs, down to none', async () => {
    await using pool = poolOf();
    pool.add({ id: 'b', resource: resource('b') });
    expect(pool.reweight('b', 3)).toBe(true);
    expect(await counts(pool, 8)).toEqual({ a: 2, b: 6 });
    pool.reweight('a', 0);
    expect(await counts(pool, 4)).toEqual({ b: 4 });
    expect(pool.reweight('nobody', 1)).toBe(false);
    expect(() => pool.reweight('a', -1)).toThrow(/weight must be a number of at least 0/);
  });

  it('leave when they are taken out: no new work, what runs may end, and the resource ends after it', async () => {
    const gone = resource('b');
    await using pool = poolOf();
    pool.add({ id: 'b', resource: gone, weight: 1_000 });
    const done = new Subject<void>();
    const running = lastValueFrom(pool.use(({ name: each }) => done.pipe(map(() => each))));
    expect(pool.remove('b')).toBe(true);
    expect(await counts(pool, 3)).toEqual({ a: 3 });
    expect(gone.ended).toBe(false);
    done.next();
    done.complete();
    expect(await running).toBe('b');
    await until('the resource has ended', () => gone.ended);
    expect(pool.remove('b')).toBe(false);
  });

  it('give way to another of the same id, whose resource is another one', async () => {
    const first = resource('first');
    await using pool = poolOf({ members: [{ id: 'a', resource: first }] });
    expect(await name(pool)).toBe('first');
    pool.add({ id: 'a', resource: resource('second') });
    expect(await name(pool)).toBe('second');
    await until('the first has ended', () => first.ended);
  });

  it('do so also for who replaces them while a change is being told', async () => {
    const first = resource('first');
    await using pool = poolOf({ members: [{ id: 'a', resource: first }] });
    const replaced = pool.changes$.pipe(take(1)).subscribe(() => pool.add({ id: 'a', resource: resource('second') }));
    pool.add({ id: 'b', resource: resource('b'), weight: 0 });
    expect(replaced.closed).toBe(true);
    expect(await name(pool)).toBe('second');
    expect(first.ended).toBe(true);
  });

  it('are not told as changed when another one is', async () => {
    await using pool = poolOf({ members: ['a', 'b', 'c'].map((id) => ({ id, resource: resource(id) })) });
    const updated: string[][] = [];
    pool.changes$.subscribe((changes) => updated.push(changes.updated.map(({ id }) => id)));
    pool.reweight('a', 2);
    expect(updated).toEqual([['a']]);
  });

  it('are opened where they bring no resource', async () => {
    await using pool = poolOf({ members: [], open: ({ id }) => resource(`opened ${id}`) });
    pool.add({ id: 'x' });
    expect(await name(pool)).toBe('opened x');
  });

  it('are refused where nobody can open them, and when they make no sense', () => {
    expect(() => poolOf({ members: [{ id: 'x' }] })).toThrow(/member x needs a resource/);
    const pool = poolOf();
    expect(() => pool.add({ id: 'x' })).toThrow(/member x needs a resource/);
    expect(() => pool.add({ id: '', resource: resource('x') })).toThrow(/member.id/);
    expect(() => pool.add({ id: 'x', resource: resource('x'), weight: -1 })).toThrow(/member x: weight/);
    expect(() =>
      poolOf({
        members: [
          { id: 'x', resource: resource('x') },
          { id: 'x', resource: resource('y') },
        ],
      }),
    ).toThrow(/members must be of different ids/);
    return pool.close();
  });
});

describe('a resource that its member brought', () => {
  it.each([{ idleMs: 5 }, { lifetimeMs: 5 }])('is not ended with the times of connections: %o', async (connections) => {
    const own = resource('a');
    await using pool = poolOf({ members: [{ id: 'a', resource: own }], connections });
    await firstValueFrom(pool.node$('a').pipe(filter(({ availability }) => availability === 'discovered')));
    expect(own.ended).toBe(false);
    expect(await name(pool)).toBe('a');
  });

  it('goes on when its member moves, and ends once when the member leaves', async () => {
    const ended: string[] = [];
    await using pool = poolOf({ members: [], close: (each) => ended.push(each.name) });
    const own = resource('a');
    pool.add({ id: 'a', resource: own, address: 'a:1' });
    pool.add({ id: 'a', resource: own, address: 'a:2' });
    expect(await name(pool)).toBe('a');
    expect(ended).toEqual([]);
    pool.remove('a');
    await pool.close();
    expect(ended).toEqual(['a']);
  });

  it('ends with the pool where it was never used, or not for long', async () => {
    const ended: string[] = [];
    const pool = poolOf({ close: (each) => ended.push(each.name), connections: { eager: false } });
    pool.add({ id: 'b', resource: resource('b') });
    pool.remove('b');
    expect(ended).toEqual(['b']);
    await pool.close();
    expect(ended).toEqual(['b', 'a']);
  });

  it('ends with the last of the members that share it', async () => {
    const shared = resource('shared');
    await using pool = poolOf({ members: ['a', 'b'].map((id) => ({ id, resource: shared })) });
    pool.remove('a');
    expect(shared.ended).toBe(false);
    expect(await name(pool)).toBe('shared');
    pool.remove('b');
    expect(shared.ended).toBe(true);
  });
});

describe('members that discovery lists', () => {
  const list$ = () =>
    new BehaviorSubject([
      { id: 'a', address: 'a:1' },
      { id: 'b', address: 'b:1' },
    ]);
  const discovered = (list: ReturnType<typeof list$>) =>
    poolOf({ members: [], discovery: staticNodes(list), open: ({ id }) => resource(id) });

  it('can be taken out and given another weight, beside members added by hand', async () => {
    const list = list$();
    await using pool = discovered(list);
    pool.add({ id: 'c', resource: resource('by hand') });
    expect(await counts(pool, 6)).toEqual({ a: 2, b: 2, 'by hand': 2 });
    pool.remove('a');
    pool.reweight('b', 3);
    expect(await counts(pool, 8)).toEqual({ b: 6, 'by hand': 2 });
  });

  it('give way to one of the same id that brings its resource', async () => {
    const opened = [resource('a'), resource('b')];
    await using pool = poolOf({
      members: [],
      discovery: staticNodes(list$().value),
      open: ({ id }) => opened.find((each) => each.name === id)!,
    });
    pool.add({ id: 'a', address: 'a:1', resource: resource('by hand') });
    expect(await counts(pool, 4)).toEqual({ 'by hand': 2, b: 2 });
    expect(opened.map(({ ended }) => ended)).toEqual([true, false]);
  });

  it('are told as changed once when their weight is changed', async () => {
    await using pool = discovered(list$());
    const updated: string[] = [];
    pool.reweight('a', 2);
    pool.changes$.subscribe((changes) => updated.push(...changes.updated.map(({ id }) => id)));
    pool.add({ id: 'c', resource: resource('c') });
    pool.reweight('b', 2);
    expect(updated.filter((id) => id !== 'c')).toEqual(['b']);
  });

  it('are as they are listed again once discovery has dropped them and lists them anew', async () => {
    const list = list$();
    await using pool = discovered(list);
    pool.remove('a');
    list.next(list.value.filter(({ id }) => id !== 'a'));
    list.next(list$().value);
    expect(await counts(pool, 4)).toEqual({ a: 2, b: 2 });
  });
});

describe('close()', () => {
  it('ends the others, and the events, where ending one of them throws', async () => {
    const ended: string[] = [];
    const pool = createPool<Resource>({
      members: ['a', 'b', 'c', 'd'].map((id) => ({ id, resource: resource(id) })),
      close: ({ name: each }) => {
        ended.push(each);
        if (each !== 'd') throw new Error('cannot end');
      },
    });
    const over = lastValueFrom(pool.events$, { defaultValue: undefined });
    pool.remove('a');
    await pool.close();
    await over;
    expect(ended).toEqual(['a', 'b', 'c', 'd']);
  });

  it('waits for resources whose end takes a while, and survives those that fail to end', async () => {
    let ended = 0;
    const pool = createPool<Resource>({
      members: ['a', 'b', 'c'].map((id) => ({ id, resource: resource(id) })),
      close: ({ name: each }) => {
        if (each === 'c') return Promise.reject(new Error('cannot end'));
        return new Promise((resolve) => setImmediate(() => resolve(ended++)));
      },
    });
    await pool.close();
    expect(ended).toBe(2);
  });

  it('ends what can end itself, without being told how', async () => {
    const log: string[] = [];
    const pool = createPool<Partial<Disposable & AsyncDisposable>>({
      members: [
        { id: 'a', resource: { [Symbol.dispose]: () => void log.push('a') } },
        { id: 'b', resource: { [Symbol.asyncDispose]: () => Promise.resolve(void log.push('b')) } },
        { id: 'c', resource: {} },
      ],
    });
    await pool.close();
    expect(log.sort()).toEqual(['a', 'b']);
  });
});

describe('failures of the work', () => {
  const failing = (error: unknown) => ({ use: () => throwError(() => error) });
  const system = (code: string) => Object.assign(new Error(code), { code });

  it('that never reached a member go to another one, whatever the work', async () => {
    const asked: string[] = [];
    await using pool = poolOf();
    pool.add({ id: 'b', resource: resource('b') });
    const answer = await firstValueFrom(
      pool.use((each) => {
        asked.push(each.name);
        return asked.length === 1 ? throwError(() => system('ECONNREFUSED')) : of(each.name);
      }),
    );
    expect(asked).toHaveLength(2);
    expect(answer).toBe(asked[1]);
  });

  it('that may have are repeated only where the caller says so', async () => {
    await using pool = poolOf();
    pool.add({ id: 'b', resource: resource('b') });
    let uses = 0;
    const work = () => (uses++ === 0 ? throwError(() => new Error('odd')) : of('done'));
    await expect(firstValueFrom(pool.use(work))).rejects.toMatchObject({ code: 'UNKNOWN', cause: { message: 'odd' } });
    uses = 0;
    expect(await firstValueFrom(pool.use(work, { failover: true, retry: { initialBackoffMs: 0 } }))).toBe('done');
  });

  it.each([
    [system('ECONNREFUSED'), 'UNAVAILABLE', false],
    [system('ECONNRESET'), 'UNAVAILABLE', true],
    [new TypeError('fetch failed', { cause: system('ECONNREFUSED') }), 'UNAVAILABLE', false],
    [new AggregateError([system('ENETUNREACH'), system('ECONNREFUSED')]), 'UNAVAILABLE', false],
    [new DOMException('too late', 'TimeoutError'), 'DEADLINE_EXCEEDED', true],
    [new DOMException('enough', 'AbortError'), 'CANCELLED', true],
    [new Error('anything else'), 'UNKNOWN', true],
    ['a text', 'UNKNOWN', true],
  ])('are told apart by their codes, not by their texts: %s', async (thrown, code, sent) => {
    await using pool = poolOf({ calls: { retry: false } });
    await expect(lastValueFrom(pool.use(failing(thrown).use))).rejects.toMatchObject({ code, sent });
  });

  it('mean what the user says they mean', async () => {
    await using pool = poolOf({
      calls: { retry: false },
      classify: (thrown) => ((thrown as Error).message.startsWith('quota') ? 'RESOURCE_EXHAUSTED' : undefined),
    });
    const use = (text: string) => lastValueFrom(pool.use(failing(new Error(text)).use));
    await expect(use('quota used up')).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    await expect(use('else')).rejects.toMatchObject({ code: 'UNKNOWN' });
  });

  it('abort what still runs of the work: its signal tells', async () => {
    await using pool = poolOf();
    let signal: AbortSignal | undefined;
    const use = pool
      .use((_, attempt) => {
        ({ signal } = attempt);
        return NEVER;
      })
      .subscribe();
    expect(signal!.aborted).toBe(false);
    use.unsubscribe();
    expect(signal!.aborted).toBe(true);
  });
});
