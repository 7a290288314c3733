/** A registration under test: remembers all that it was told, and waits for what is expected. */

import { inspect } from 'node:util';
import { filter, firstValueFrom, ReplaySubject, timeout, type Observable, type Subscription } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { NodeInit } from '../../core/node.js';
import { register } from '../../registration/register.js';
import type { Registration, RegistrationEvent } from '../../registration/registration.js';
import type { Registry } from '../../registration/registry.js';

/** One `register()`, with all that it said. */
export class Watch {
  readonly told: Registration[] = [];
  readonly events: RegistrationEvent[] = [];
  readonly #told$ = new ReplaySubject<Registration>();
  readonly #event$ = new ReplaySubject<RegistrationEvent>();
  readonly #timeoutMs: number;
  readonly #subscription: Subscription;
  error: unknown;

  constructor(node: NodeInit | Observable<NodeInit>, registry: Registry, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    const onEvent = (event: RegistrationEvent) => {
      this.events.push(event);
      this.#event$.next(event);
    };
    this.#subscription = register(node, registry, {
      onEvent,
      backoff: { initialBackoffMs: 50, maxBackoffMs: 500 },
    }).subscribe({
      next: (registration) => {
        this.told.push(registration);
        this.#told$.next(registration);
      },
      error: (error: unknown) => {
        this.error = error;
        this.#told$.error(error);
      },
    });
  }

  /** The first that matches of those told from number `from` on. */
  until(what: string, test: (registration: Registration) => boolean, from = 0): Promise<Registration> {
    const failed = () => {
      const said = this.told.map(({ state, reason }) => (reason ? `${state} (${reason})` : state)).join(', ');
      throw new FleetError('DEADLINE_EXCEEDED', `${what} did not come; told was: ${said || 'nothing'}`);
    };
    return firstValueFrom(
      this.#told$.pipe(
        filter((each, index) => index >= from && test(each)),
        timeout({ first: this.#timeoutMs, with: failed }),
      ),
    );
  }

  registered(from = 0): Promise<Registration> {
    return this.until('registered', ({ state }) => state === 'registered', from);
  }

  /** Takes it out, and waits until that is done. */
  async leave(): Promise<RegistrationEvent> {
    this.#subscription.unsubscribe();
    return firstValueFrom(
      this.#event$.pipe(
        filter(({ type }) => type === 'withdrawn' || type === 'abandoned'),
        timeout(this.#timeoutMs),
      ),
    );
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  /** Everything that was said, as a log would show it, the depths of errors included. */
  printed(): string {
    const all = [...this.told, ...this.events, this.error];
    return all.map((each) => `${inspect(each, { depth: Infinity })}\n${JSON.stringify(each)}`).join('\n');
  }
}
