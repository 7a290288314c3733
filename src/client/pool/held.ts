/** A resource in the place where a fleet has a channel. */

import { BehaviorSubject } from 'rxjs';
import type { Connection, ConnectivityState } from '../../core/channel.js';
import type { GivenResource } from './givenResource.js';

export class Held<T> implements Connection {
  readonly state$ = new BehaviorSubject<ConnectivityState>('READY');
  #closed = false;

  /** @param given the resource where its member brought it; undefined where it was opened. */
  constructor(
    readonly value: T,
    readonly given: GivenResource<T> | undefined,
    private readonly closed: () => void,
  ) {}

  get state(): ConnectivityState {
    return this.state$.value;
  }

  connect(): void {}

  /** Takes no new work; it is closed once what runs on it has ended. */
  retire(): void {
    this.state$.next('SHUTDOWN');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.state$.next('SHUTDOWN');
    this.state$.complete();
    this.closed();
  }
}
