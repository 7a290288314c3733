/** The contract of a discovery as a suite: what ours pass against their real servers, and yours can too. */

import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import type { Node } from '../core/node.js';
import type { Discovery, DiscoveryQuery } from '../discovery/discovery.js';
import { runnerOf, type Runner } from './runner.js';
import { rowOfChanges } from './testDiscovery/rowOfChanges.js';
import type { TestNode } from './testDiscovery/testNode.js';
import { Watch } from './testDiscovery/watch.js';
import { watchGuarantees } from './watchGuarantees.js';

export type { TestNode };

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
  /**
   * False for a source whose changes have no order among each other, such as a network where each node speaks for
   * itself: the guarantees of a watch are then asked of one change at a time. Default true.
   */
  readonly history?: boolean;
  /** How often the source was listed as a whole in this case, and how often it had to be: whether bookmarks are used. */
  listings?(): { readonly seen: number; readonly needed: number };
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
 * never empty by accident, bad entries survived, and the six guarantees of a watch (`watchGuarantees`).
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

    it('keeps the guarantees of a watch: ordered, unique, reliable, atomic, resumable, bookmarkable', async () => {
      const world = watch();
      const states = await rowOfChanges(harness, world, idOf);
      const { sets } = world;
      const mark = ({ address }: Node) => String(address.port);
      deepStrictEqual(watchGuarantees({ states, sets, mark, listings: harness.listings?.() }).breaches, []);
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
