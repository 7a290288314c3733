/** The contract of a registry as a suite: what ours pass against their real servers, and yours can too. */

import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { BehaviorSubject, lastValueFrom } from 'rxjs';
import { createNode, type NodeInit } from '../core/node.js';
import type { Registry } from '../registration/registry.js';
import { runnerOf, type Runner } from './runner.js';
import { Watch } from './testRegistration/watch.js';

type Done = void | Promise<void>;

/** One entry as the registry itself lists it. */
export interface ListedNode {
  /** The id of the node that was registered. */
  readonly id: string;
  readonly port: number;
  /** Where the registry keeps one. */
  readonly weight?: number;
}

/** The hands of the suite at one registry. Where an optional one is missing, the cases that need it are not declared. */
export interface RegistrationHarness {
  /** Called before each case: the registry is there and lists nothing. */
  start(): Done;
  /** Called after each case, however it ended. */
  stop(): Done;
  /** The registry under test, made anew for each call. */
  registry(): Registry;
  /** What the registry lists, read by its own means: not by the code under test. */
  listed(): readonly ListedNode[] | Promise<readonly ListedNode[]>;
  /** The service to register under. Default `rxfleet-test`. */
  readonly service?: string;
  /** Life of a registration, in milliseconds, if there is one; short, so that the cases are. */
  readonly ttlMs?: number;
  /** How long after the end of a life the registry may still list it, in milliseconds. Default 5,000. */
  readonly sweepMs?: number;
  /** Makes the registry forget this node, as a server that lost its memory. */
  forget?(id: string): Done;
  /** Takes the registry away from its clients. */
  cut?(): Done;
  /** Brings it back. Given together with `cut`. */
  restore?(): Done;
  /** A registry at an address where nobody is, and that address as errors must show it. */
  unreachable?(): { readonly registry: Registry; readonly endpoint: string };
  /** A registry whose secrets are refused. */
  refused?(): Registry | Promise<Registry>;
  /** What must never be shown: passwords and tokens, of the registries above too. */
  readonly secrets?: readonly string[];
}

export interface TestRegistrationOptions {
  /** Default: the global `describe` and `it`. */
  readonly runner?: Runner;
  /** How long each expected change may take, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

/**
 * Declares the suite: listed once it says so, kept alive, lost when forgotten, known lost in time, changed in place,
 * gone when withdrawn, no ghosts, errors that name the registry and show no secret.
 *
 * ```ts
 * testRegistration('my registry', { start, stop, registry: () => myRegistry({ port }), listed, forget, ttlMs: 1_000 });
 * ```
 */
export function testRegistration(
  name: string,
  harness: RegistrationHarness,
  options: TestRegistrationOptions = {},
): void {
  const runner = runnerOf(options.runner);
  const { timeoutMs = 10_000 } = options;
  const { service = 'rxfleet-test', ttlMs = Infinity, sweepMs = 5_000, secrets = [] } = harness;
  const nodeOf = (id: string, port: number, weight = 1): NodeInit => ({
    ...{ id, service, address: { host: '127.0.0.1', port }, weight },
  });
  const a = nodeOf('node-a', 50_071);
  const b = nodeOf('node-b', 50_072);

  const watches: Watch[] = [];
  const watch = (
    ...[node, registry = harness.registry()]: [ConstructorParameters<typeof Watch>[0], Registry?]
  ): Watch => {
    const watching = new Watch(node, registry, timeoutMs);
    watches.push(watching);
    return watching;
  };
  const listed = async (): Promise<string[]> =>
    [...(await harness.listed())].map(({ id, port }) => `${id}:${port}`).sort();
  const until = async (what: string, expected: readonly string[], ms = timeoutMs): Promise<void> => {
    const end = Date.now() + ms;
    let last = await listed();
    while (last.join() !== expected.join()) {
      ok(Date.now() < end, `${what}: the registry lists ${last.join(', ') || 'nothing'} after ${ms} ms`);
      await sleep(10);
      last = await listed();
    }
  };
  const it = (title: string, body: () => Promise<void>) =>
    runner.it(title, async () => {
      try {
        await harness.start();
        await body();
        const printed = watches.map((each) => each.printed()).join('\n');
        for (const secret of secrets)
          ok(!printed.includes(secret), 'a secret is shown in a state, an event or an error');
      } finally {
        for (const each of watches.splice(0)) each.close();
        await harness.stop();
      }
    });

  runner.describe(`${name} as a registry`, () => {
    it('lists the node once it says so, with its address', async () => {
      const registered = await watch(a).registered();
      await until('put in', ['node-a:50071'], 2_000);
      ok(registered.key, 'a registration must say under which key the registry knows it');
      ok(registered.deadline! > Date.now(), 'the deadline of a new registration is to come');
      ok(registered.deadline! <= Date.now() + ttlMs, 'the deadline is later than the life allows');
    });

    it('lists it no more once it is withdrawn', async () => {
      const watching = watch(a);
      await watching.registered();
      await until('put in', ['node-a:50071']);
      strictEqual((await watching.leave()).type, 'withdrawn');
      await until('withdrawn', [], 3_000);
    });

    it('leaves no ghost of a registration that was left as soon as it began', async () => {
      const watching = watch(a);
      await watching.until('registering', ({ state }) => state === 'registering');
      await watching.leave().catch(() => undefined);
      // The news of it may still be on its way, as may that of its end.
      await sleep(300);
      await until('left', [], 3_000);
    });

    it('keeps two registrations apart', async () => {
      const registry = harness.registry();
      const first = watch(a, registry);
      const second = watch(b, registry);
      await Promise.all([first.registered(), second.registered()]);
      await until('both put in', ['node-a:50071', 'node-b:50072']);
      await first.leave();
      await until('one withdrawn', ['node-b:50072']);
      strictEqual(second.told.at(-1)!.state, 'registered');
    });

    it('can be registered again after it was withdrawn', async () => {
      const first = watch(a);
      await first.registered();
      await first.leave();
      await until('withdrawn', []);
      await watch(a).registered();
      await until('put in again', ['node-a:50071']);
    });

    it('changes it in place, without a moment in which it is not listed', async () => {
      const node$ = new BehaviorSubject(a);
      const watching = watch(node$);
      await watching.registered();
      await until('put in', ['node-a:50071']);
      let gaps = 0;
      let looking = true;
      const look = (async () => {
        while (looking) {
          if ((await listed()).length !== 1) gaps++;
          await sleep(1);
        }
      })();
      try {
        for (const weight of [2, 3, 5]) {
          const from = watching.told.length;
          node$.next({ ...a, weight });
          await watching.until(
            'the update',
            ({ state, node }) => state === 'registered' && node.weight === weight,
            from,
          );
        }
      } finally {
        looking = false;
        await look;
      }
      strictEqual(gaps, 0, 'the node was not listed, or twice, while it was updated');
      const end = Date.now() + 2_000;
      const weight = async () => (await harness.listed())[0]?.weight ?? 5;
      while ((await weight()) !== 5 && Date.now() < end) await sleep(10);
      strictEqual(await weight(), 5, 'the registry has an older weight');
    });

    if (ttlMs < Infinity) {
      it('is kept alive past its life, with a deadline that moves on', async () => {
        const watching = watch(a);
        const { deadline } = await watching.registered();
        await sleep(ttlMs * 2.5);
        deepStrictEqual(await listed(), ['node-a:50071'], 'it was kept alive, and is not listed');
        const states = new Set(watching.told.map(({ state }) => state));
        deepStrictEqual([...states], ['registering', 'registered'], 'it was lost though nothing was wrong');
        ok(watching.told.at(-1)!.deadline! > deadline! + ttlMs, 'the deadline does not move on');
      });

      it('is dropped by the registry when nobody keeps it alive, so that a crash leaves no ghost for long', async () => {
        await lastValueFrom(harness.registry().put(createNode(a)));
        await until('put in', ['node-a:50071']);
        await until('nobody keeps it', [], ttlMs + sweepMs);
      });
    }

    const { forget, cut, restore, unreachable, refused } = harness;
    if (forget) {
      it('is told lost when the registry has forgotten it, and is put in again', async () => {
        const watching = watch(a);
        await watching.registered();
        await until('put in', ['node-a:50071']);
        const from = watching.told.length;
        await forget.call(harness, 'node-a');
        const lost = await watching.until('lost', ({ state }) => state === 'lost', from);
        ok(lost.reason, 'a loss must say why');
        await watching.registered(watching.told.indexOf(lost));
        await until('put in again', ['node-a:50071']);
      });
    }

    if (cut && restore && ttlMs < Infinity) {
      it('is known lost no later than its life when the registry is away, and comes back with it', async () => {
        const watching = watch(a);
        await watching.registered();
        await cut.call(harness);
        const lost = await watching.until('lost', ({ state }) => state === 'lost');
        const { deadline } = watching.told.filter(({ state }) => state === 'registered').at(-1)!;
        const lateMs = Date.now() - deadline!;
        ok(lateMs < ttlMs / 10 + 50, `the loss was told ${lateMs} ms after the deadline`);
        await restore.call(harness);
        await watching.registered(watching.told.indexOf(lost));
        await until('put in again', ['node-a:50071']);
      });
    }

    if (unreachable) {
      it('says which registry cannot be reached, where, and goes on trying', async () => {
        const { registry, endpoint } = unreachable.call(harness);
        const watching = watch(a, registry);
        const failed = ({ reason }: { readonly reason?: string }) => reason !== undefined;
        const { state, reason } = await watching.until('a failure', failed);
        strictEqual(state, 'registering', 'what may pass must not end it');
        ok(reason!.includes(registry.name), `"${reason}" does not name the registry, ${registry.name}`);
        ok(reason!.includes(endpoint), `"${reason}" does not name the endpoint, ${endpoint}`);
      });
    }

    if (refused) {
      it('ends with an error when its secret is refused, and does not show it', async () => {
        const registry = await refused.call(harness);
        const error = await watch(a, registry)
          .registered()
          .then(
            () => undefined,
            (thrown: unknown) => thrown as { readonly code?: string; readonly message: string },
          );
        ok(error, 'it was registered with a secret that is wrong');
        ok(
          /^(UNAUTHENTICATED|PERMISSION_DENIED)$/.test(error.code ?? ''),
          `the code is ${error.code}: ${error.message}`,
        );
        ok(error.message.includes(registry.name), `"${error.message}" does not name the registry, ${registry.name}`);
      });
    }
  });
}
