/**
 * register() against a network that delays, loses and repeats nothing it should, and a server that forgets and goes away,
 * on virtual time: whatever happens, what it says is true. Seeds are printed by fast-check; RXFLEET_LONG=1 runs more.
 */

import fc from 'fast-check';
import { BehaviorSubject, Observable, VirtualAction, VirtualTimeScheduler } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { NodeInit } from '../../src/core/node.js';
import { register } from '../../src/registration/register.js';
import type { Registration } from '../../src/registration/registration.js';
import type { Lease, Registry } from '../../src/registration/registry.js';
import { seededRandom } from '../../src/testing/seededRandom.js';

/** Short, so that a life sees many. */
const shortTtlMs = 900;
const maxDelayMs = 400;
const id = 'node';

/** The registry's side: the truth, by its own clock. */
class Server {
  entry: { readonly token: number; readonly weight: number; expiresAt: number } | undefined;
  /** The last time that it forgot something without being asked; until a heartbeat, nobody can know. */
  forgotAt = -Infinity;
  up = true;
  #tokens = 0;
  #calmAt = Infinity;
  readonly #scheduler: VirtualTimeScheduler;
  readonly #random: () => number;

  constructor(
    scheduler: VirtualTimeScheduler,
    random: () => number,
    readonly ttlMs: number,
    readonly loss: number,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  get listed(): boolean {
    return this.entry !== undefined && this.#scheduler.now() < this.entry.expiresAt;
  }

  calm(): void {
    this.up = true;
    this.#calmAt = this.#scheduler.now();
  }

  forget(): void {
    this.entry = undefined;
    this.forgotAt = this.#scheduler.now();
  }

  readonly registry: Registry = {
    name: 'torture',
    put: ({ weight }) =>
      this.#exchange(() => {
        const token = ++this.#tokens;
        this.entry = { token, weight, expiresAt: this.#scheduler.now() + this.ttlMs };
        return this.#lease(token);
      }),
  };

  #lease(token: number): Lease {
    const mine = () => {
      if (this.listed && this.entry!.token === token) return this.entry!;
      throw new FleetError('NOT_FOUND', 'torture: no such lease');
    };
    return {
      ...{ key: `${id}/${token}`, ttlMs: this.ttlMs },
      renew: () =>
        this.#exchange(() => {
          mine().expiresAt = this.#scheduler.now() + this.ttlMs;
          return this.ttlMs;
        }),
      update: ({ weight }) => this.#exchange(() => void (this.entry = { ...mine(), weight })) as Observable<never>,
      withdraw: () =>
        this.#exchange(() => {
          if (this.entry?.token === token) this.entry = undefined;
        }) as Observable<never>,
    };
  }

  /** There and back again, each way late or lost; what is on its way arrives, whoever has left. */
  #exchange<T>(work: () => T): Observable<T> {
    return new Observable((subscriber) => {
      const calm = this.#scheduler.now() >= this.#calmAt;
      const delay = () => (calm ? 5 : this.#random() * maxDelayMs);
      const lost = () => !calm && this.#random() < this.loss;
      if (lost()) return;
      this.#scheduler.schedule(() => {
        let answer: () => void;
        if (!this.up) {
          answer = () => subscriber.error(new FleetError('UNAVAILABLE', 'torture: down'));
        } else {
          try {
            const value = work();
            answer = () => {
              if (value !== undefined) subscriber.next(value);
              subscriber.complete();
            };
          } catch (thrown) {
            answer = () => subscriber.error(thrown);
          }
        }
        if (!lost()) this.#scheduler.schedule(answer, delay());
      }, delay());
    });
  }
}

/** One life under torture; what was said that was not true. */
function live(seed: number): readonly string[] {
  const random = seededRandom(seed);
  const scheduler = new VirtualTimeScheduler(VirtualAction, Infinity);
  const server = new Server(scheduler, random, shortTtlMs, 0.15);
  const node = (weight: number): NodeInit => ({ id, service: 'demo', address: '10.0.0.1:1', weight });
  const node$ = new BehaviorSubject(node(1));
  const lies: string[] = [];
  let said: Registration | undefined;
  let weight = 1;

  const options = { scheduler, random, answerTimeoutMs: 700, backoff: { initialBackoffMs: 50, maxBackoffMs: 400 } };
  const life = register(node$, server.registry, options).subscribe({
    next: (registration) => (said = registration),
    error: (error: unknown) => lies.push(`ended by ${String(error)}`),
  });
  const check = (): void => {
    const now = scheduler.now();
    if (said?.state === 'registered' && !life.closed) {
      const { deadline } = said;
      if (now > deadline! + 0.01) lies.push(`at ${now} still registered, though its deadline was ${deadline}`);
      // What the server forgot by itself nobody can know before the next heartbeat is answered.
      if (!server.listed && server.forgotAt < deadline! - shortTtlMs - maxDelayMs) {
        lies.push(`at ${now} registered until ${deadline}, but not listed`);
      }
    }
    if (now < 40_000) scheduler.schedule(check, 7);
  };
  check();
  for (let at = 500; at < 20_000; at += 100 + random() * 1_500) {
    const what = random();
    scheduler.schedule(() => {
      if (what < 0.3) server.forget();
      else if (what < 0.5) server.up = !server.up;
      else node$.next(node(++weight));
    }, at);
  }
  scheduler.schedule(() => server.calm(), 20_000);
  scheduler.schedule(() => {
    if (said?.state !== 'registered') lies.push(`in calm it is ${said?.state}`);
    if (!server.listed) lies.push('in calm it is not listed');
    if (server.entry?.weight !== weight) lies.push(`in calm the weight is ${server.entry?.weight}, not ${weight}`);
    life.unsubscribe();
  }, 26_000);
  scheduler.schedule(() => server.entry && lies.push('a ghost remains'), 26_100);
  scheduler.schedule(() => server.entry && lies.push('a ghost came back'), 39_000);
  scheduler.flush();
  return lies;
}

/** One that leaves in the middle of it all. */
function leave(seed: number, ttlMs: number, loss: number, withinMs: number): readonly string[] {
  const random = seededRandom(seed);
  const scheduler = new VirtualTimeScheduler(VirtualAction, Infinity);
  const server = new Server(scheduler, random, ttlMs, loss);
  const node: NodeInit = { id, service: 'demo', address: '10.0.0.1:1' };
  const lies: string[] = [];
  const life = register(node, server.registry, { scheduler, random }).subscribe();
  const leftAt = random() * 3_000;
  scheduler.schedule(() => life.unsubscribe(), leftAt);
  scheduler.schedule(() => server.listed && lies.push(`left at ${leftAt}, and still listed`), leftAt + withinMs);
  // With a timer that runs on, this would not end.
  scheduler.flush();
  return lies;
}

const numRuns = process.env.RXFLEET_LONG ? 5_000 : 150;

const holds = (of: (seed: number) => readonly string[]) => () =>
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      expect(of(seed).slice(0, 3)).toEqual([]);
    }),
    { numRuns },
  );

describe('register under torture', () => {
  it('never says that it is registered when it is not, and comes through to the truth', holds(live), 120_000);

  it('leaves no ghost where nothing is lost, however slow it all is: not even while it is being put in', () => {
    // What was unanswered, and the withdrawal: at most three ways. A life of an hour ends nothing by itself.
    holds((seed) => leave(seed, 3_600_000, 0, 3 * maxDelayMs + 1))();
  });

  it('leaves no ghost for longer than its life where much is lost, and no timer', () => {
    holds((seed) => leave(seed, shortTtlMs, 0.3, 5_000 + 2 * maxDelayMs + shortTtlMs))();
  });
});
