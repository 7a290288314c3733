/** The contract of a discovery as a suite: what ours pass against their real servers, and yours can too. */

import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { filter, firstValueFrom, ReplaySubject, timeout } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { Discovery, DiscoveryEvent, DiscoveryQuery } from '../discovery/discovery.js';
import { sameNode } from '../discovery/sameNode.js';
import { runnerOf, type Runner } from './runner.js';

/** A node as the suite puts it at the source. */
export interface TestNode {
  /** Unique among the nodes of a case; letters and digits. */
  readonly name: string;
  /** Where it claims to listen, on `127.0.0.1` or whatever address the source gives it. Nobody listens there. */
  readonly port: number;
}

type Done = void | Promise<void>;

/** The hands of the suite at one source. Where an optional one is missing, the cases that need it are not declared. */
export interface DiscoveryHarness {
  /** Called before each case: the source is there and lists nothing. */
  start(): Done;
  /** Called after each case, however it ended. */
  stop(): Done;
  /** The discovery of that source, made anew for each call. */
  discovery(): Discovery;
  /** What to ask for. Default `{ service: 'rxfleet-test' }`. */
  readonly query?: DiscoveryQuery;
  /** The id that the discovery gives to the node of this name. Default: the name. */
  id?(name: string): string;
  add(node: TestNode): Done;
  /** Puts the node in the place of the one of that name; it may be the same as before. */
  update(node: TestNode): Done;
  remove(name: string): Done;
  /** Puts an entry at the source that no client can make a node of. */
  addBad?(): Done;
  /** Takes the source away from its clients, as a crash or a broken network would. */
  cut?(): Done;
  /** Brings it back, with what was added and removed meanwhile. Given together with `cut`. */
  restore?(): Done;
  /** How many subscriptions, sockets, watches and timers the discoveries of this case hold open now. */
  opened?(): number;
}

export interface TestDiscoveryOptions {
  /** Default: the global `describe` and `it`. */
  readonly runner?: Runner;
  /** How long each expected change may take, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

const a: TestNode = { name: 'a', port: 50_061 };
const b: TestNode = { name: 'b', port: 50_062 };
const c: TestNode = { name: 'c', port: 50_063 };

/**
 * Declares the suite: whole sets, equal sets once, unchanged nodes the same object, cold, independent subscribers,
 * never empty by accident, bad entries survived.
 *
 * ```ts
 * testDiscovery('my registry', { start, stop, discovery: () => myRegistry({ port }), add, update, remove });
 * ```
 */
export function testDiscovery(name: string, harness: DiscoveryHarness, options: TestDiscoveryOptions = {}): void {
  const runner = runnerOf(options.runner);
  const { timeoutMs = 10_000 } = options;
  const { query = { service: 'rxfleet-test' } } = harness;
  const idOf = (node: TestNode) => harness.id?.(node.name) ?? node.name;

  const watches: Watch[] = [];
  const watch = (): Watch => {
    const watching = new Watch(harness.discovery(), query, idOf, timeoutMs);
    watches.push(watching);
    return watching;
  };
  const it = (title: string, body: () => Promise<void>) =>
    runner.it(title, async () => {
      try {
        await harness.start();
        await body();
        for (const each of watches) each.check();
      } finally {
        for (const each of watches.splice(0)) each.close();
        await harness.stop();
      }
    });

  runner.describe(`${name} as a discovery`, () => {
    it('lists all the nodes that are there, in one set', async () => {
      await harness.add(a);
      await harness.add(b);
      const world = watch();
      const set = await world.until(a, b);
      for (const node of set.nodes) {
        ok(node.sources.length > 0, `node ${node.id} does not say which source lists it`);
        strictEqual(node.service, query.service, `node ${node.id} is of another service`);
      }
    });

    it('sees a node that comes, and keeps the objects of the others', async () => {
      await harness.add(a);
      const world = watch();
      const before = await world.until(a);
      await harness.add(b);
      const after = await world.until(a, b);
      strictEqual(after.get(idOf(a)), before.get(idOf(a)), 'a node that did not change has become another object');
    });

    it('sees a node that goes, and keeps the objects of the others', async () => {
      await harness.add(a);
      await harness.add(b);
      const world = watch();
      const before = await world.until(a, b);
      await harness.remove(a.name);
      const after = await world.until(b);
      strictEqual(after.get(idOf(b)), before.get(idOf(b)), 'a node that did not change has become another object');
    });

    it('sees a node that moves, as the same node', async () => {
      await harness.add(a);
      await harness.add(b);
      const world = watch();
      const before = await world.until(a, b);
      await harness.update({ ...a, port: c.port });
      const after = await world.until({ ...a, port: c.port }, b);
      deepStrictEqual(
        after.changesSince(before).updated.map(({ id }) => id),
        [idOf(a)],
      );
      ok(after.get(idOf(a)) !== before.get(idOf(a)), 'the old snapshot was altered: a changed node needs a new object');
    });

    it('tells equal sets once', async () => {
      await harness.add(a);
      const world = watch();
      await world.until(a);
      await harness.update(a);
      await harness.add(b);
      await world.until(a, b);
    });

    it('is empty when the source says so, and comes back from it', async () => {
      await harness.add(a);
      const world = watch();
      await world.until(a);
      world.mayBeEmpty = true;
      await harness.remove(a.name);
      await world.until();
      await harness.add(b);
      await world.until(b);
    });

    it('serves each subscriber on its own', async () => {
      await harness.add(a);
      const early = watch();
      await early.until(a);
      await harness.add(b);
      const late = watch();
      await Promise.all([early.until(a, b), late.until(a, b)]);
      early.close();
      await harness.remove(a.name);
      await late.until(b);
    });

    it('can be left and taken up again', async () => {
      await harness.add(a);
      const first = watch();
      await first.until(a);
      first.close();
      await harness.add(b);
      await watch().until(a, b);
    });

    const { opened, addBad, cut, restore } = harness;
    if (opened) {
      it('opens nothing before it is subscribed to, and closes all of it after', async () => {
        await harness.add(a);
        const idle = opened.call(harness);
        const set$ = harness.discovery()(query);
        strictEqual(opened.call(harness), idle, 'it opened something that nobody asked for');
        set$.subscribe().unsubscribe();
        const world = watch();
        await world.until(a);
        ok(opened.call(harness) > idle, 'the harness counts nothing, so this case proves nothing');
        world.close();
        const limit = Date.now() + timeoutMs;
        while (opened.call(harness) > idle && Date.now() < limit) await new Promise((done) => setTimeout(done, 10));
        strictEqual(opened.call(harness), idle, 'it left something open');
      });
    }

    if (addBad) {
      it('passes over an entry that is no node, says so, and lists the others', async () => {
        await harness.add(a);
        const world = watch();
        await world.until(a);
        await addBad.call(harness);
        await harness.add(b);
        await world.until(a, b);
        ok(
          world.events.some(({ type, message }) => type === 'skipped' && message !== ''),
          'nobody was told that an entry was skipped',
        );
      });
    }

    if (cut && restore) {
      it('keeps its nodes while the source is away, marked as stale, and is fresh again after', async () => {
        await harness.add(a);
        await harness.add(b);
        const world = watch();
        await world.until(a, b);
        await cut.call(harness);
        const stale = await world.untilStale(true);
        ok(stale.stale!.reason !== '', 'a stale set must say why');
        world.expect(stale, [a, b]);
        await restore.call(harness);
        world.expect(await world.untilStale(false), [a, b]);
      });

      it('sees what changed while the source was away', async () => {
        await harness.add(a);
        const world = watch();
        const before = await world.until(a);
        await cut.call(harness);
        await world.untilStale(true);
        await harness.add(b);
        await restore.call(harness);
        const after = await world.until(a, b);
        strictEqual(after.get(idOf(a)), before.get(idOf(a)), 'a node that did not change has become another object');
      });
    }
  });
}

/** One subscriber, with all that it was told. */
class Watch {
  /** Set when the source itself lists nothing. */
  mayBeEmpty = false;
  readonly events: DiscoveryEvent[] = [];
  readonly #sets: NodeSet[] = [];
  readonly #set$ = new ReplaySubject<NodeSet>(1);
  readonly #idOf: (node: TestNode) => string;
  readonly #timeoutMs: number;
  readonly #subscription;

  constructor(discovery: Discovery, query: DiscoveryQuery, idOf: (node: TestNode) => string, timeoutMs: number) {
    this.#idOf = idOf;
    this.#timeoutMs = timeoutMs;
    const set$ = discovery({ ...query, onEvent: (event) => this.events.push(event) });
    this.#subscription = set$.subscribe({
      next: (set) => {
        this.#sets.push(set);
        this.#set$.next(set);
      },
      error: (error: unknown) => this.#set$.error(error),
      complete: () => this.#set$.error(new FleetError('INTERNAL', 'a discovery lives until it is unsubscribed')),
    });
  }

  /** The first set from now on that lists exactly these nodes, stale or not. */
  until(...nodes: TestNode[]): Promise<NodeSet> {
    const wanted = nodes.map(({ name, port }) => `${name}:${port}`).join(' ') || 'nothing';
    return this.#first((set) => lists(set, nodes, this.#idOf), `a set of ${wanted}`);
  }

  untilStale(stale: boolean): Promise<NodeSet> {
    return this.#first((set) => (set.stale !== undefined) === stale, stale ? 'a stale set' : 'a fresh set');
  }

  expect(set: NodeSet, nodes: readonly TestNode[]): void {
    ok(lists(set, nodes, this.#idOf), `expected ${nodes.map(({ name }) => name).join(' ')}, got ${drawn(set)}`);
  }

  /** What holds for whatever was told. */
  check(): void {
    this.#sets.forEach((set, index) => {
      const before = this.#sets[index - 1];
      if (!before) return;
      const { added, removed, updated } = set.changesSince(before);
      const changed = added.length + removed.length + updated.length > 0 || set.stale !== before.stale;
      for (const node of updated) {
        ok(!sameNode(node, before.get(node.id)!), `node ${node.id} did not change but has become another object`);
      }
      ok(changed, `set ${index + 1} says the same as the one before: ${drawn(set)}`);
      ok(this.mayBeEmpty || set.size > 0 || before.size === 0, `set ${index + 1} is empty by accident`);
    });
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #first(test: (set: NodeSet) => boolean, wanted: string): Promise<NodeSet> {
    const failed = () => {
      const last = this.#sets.at(-1);
      throw new FleetError('DEADLINE_EXCEEDED', `${wanted} did not come; the last was ${last ? drawn(last) : 'none'}`);
    };
    return firstValueFrom(this.#set$.pipe(filter(test), timeout({ each: this.#timeoutMs, with: failed })));
  }
}

function lists(set: NodeSet, nodes: readonly TestNode[], idOf: (node: TestNode) => string): boolean {
  return (
    set.size === nodes.length &&
    nodes.every((node) => set.get(idOf(node))?.addresses.every(({ port }) => port === node.port) ?? false)
  );
}

function drawn(set: NodeSet): string {
  const nodes = set.nodes.map(({ id, address }: Node) => `${id}:${address.port}`).join(' ') || 'nothing';
  return set.stale ? `${nodes} (stale: ${set.stale.reason})` : nodes;
}
