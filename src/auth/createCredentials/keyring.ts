/** The one credential of a client, and the one request for the next. */

import { AsyncSubject, defer, Observable, of, Subject, Subscription, throwError, type SchedulerLike } from 'rxjs';
import type { Credential } from '../../core/credential.js';
import { FleetError } from '../../core/fleetError.js';
import type { CredentialEvent, Credentials } from '../credentials.js';
import type { CredentialSource, Grant } from '../credentialSource.js';
import { hidingSecret } from '../hidingSecret.js';
import { withoutSecrets } from '../redacted.js';
import { askSource } from './askSource.js';
import { lifeOf } from './lifeOf.js';

export interface KeyringOptions {
  readonly refreshWindowMs: number;
  readonly earlyExpiryMs: number;
  readonly clockSkewMs: number;
  readonly timeoutMs: number;
  readonly backoff: (retry: number) => number;
  readonly onEvent: ((event: CredentialEvent) => void) | undefined;
  readonly scheduler: SchedulerLike;
}

/** A credential, with the moments that matter to it. */
interface Held {
  readonly credential: Credential;
  /** From when it is renewed. */
  readonly renewAt: number;
  /** From when it is served no more. */
  readonly endsAt: number;
}

/** Two replacements within this time, in milliseconds, mean that a new credential does not help. */
const replacementIntervalMs = 1_000;
/** Least wait between two renewals that nobody asked for, in milliseconds, whatever lives are granted. */
const renewalIntervalMs = 1_000;
/** Longest wait that a timer of the platform can hold, in milliseconds. */
const longestWait = 2 ** 31 - 1;

/** See `createCredentials()` for what it promises. */
export class Keyring implements Credentials {
  readonly credential$: Observable<Credential>;
  readonly #source: CredentialSource;
  readonly #options: KeyringOptions;
  readonly #life = new Subscription();
  readonly #came$ = new Subject<Credential>();
  readonly #failed$ = new Subject<FleetError>();
  #held: Held | undefined;
  /** Set while a request runs, for all who wait for it. */
  #request: AsyncSubject<Credential> | undefined;
  /** Something new is to be had that the running request may have missed. */
  #outdated = false;
  #refused: Credential | undefined;
  #replacedAt = -Infinity;
  #failures = 0;
  #lastError: FleetError | undefined;
  #retryAt = -Infinity;
  #observers = 0;
  #timer: Subscription | undefined;
  #following = false;

  constructor(source: CredentialSource, options: KeyringOptions) {
    this.#source = source;
    this.#options = options;
    this.credential$ = new Observable((subscriber) => {
      subscriber.add(this.#came$.subscribe(subscriber));
      const refused = (error: FleetError) => this.#peek() || !refusedUs(error) || subscriber.error(error);
      subscriber.add(this.#failed$.subscribe(refused));
      this.#observers++;
      subscriber.add(() => {
        if (--this.#observers === 0) this.#timer?.unsubscribe();
      });
      const current = this.#peek();
      if (current) subscriber.next(current);
      this.#follow();
      this.#keep();
    });
  }

  get current(): Credential | undefined {
    const current = this.#peek();
    if (!current || this.#life.closed) return undefined;
    this.#follow();
    const now = this.#now();
    if (!this.#request && now >= this.#held!.renewAt && now >= this.#retryAt) this.#fetch(false);
    // One that was refused is served again when there is no other to be had: perhaps only one node is wrong.
    return current === this.#refused && this.#request ? undefined : this.#peek();
  }

  valid(): Observable<Credential> {
    return defer(() => {
      if (this.#life.closed) return throwError(closed);
      const { current } = this;
      if (current) return of(current);
      this.#follow();
      return this.#next(false);
    });
  }

  replacement(refused: Credential): Observable<Credential> {
    return defer(() => {
      if (this.#life.closed) return throwError(closed);
      const current = this.#peek();
      if (current && current !== refused) return of(current);
      const now = this.#now();
      if (!this.#request && now >= this.#retryAt) {
        if (now - this.#replacedAt < replacementIntervalMs) return throwError(() => this.#refusedAgain());
        this.#replacedAt = now;
        this.#refused = refused;
      }
      return this.#next(true);
    });
  }

  close(): void {
    this.#life.unsubscribe();
    this.#timer?.unsubscribe();
    this.#request?.error(closed());
    this.#request = undefined;
    this.#held = undefined;
    this.#came$.complete();
    this.#failed$.complete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #now(): number {
    return this.#options.scheduler.now();
  }

  #peek(): Credential | undefined {
    const held = this.#held;
    return held && this.#now() < held.endsAt ? held.credential : undefined;
  }

  /** What the request brings, this or a new one; within the backoff, what the last one failed of. */
  #next(anew: boolean): Observable<Credential> {
    if (this.#request) return this.#request;
    if (this.#now() < this.#retryAt) return throwError(() => this.#lastError!);
    return this.#fetch(anew);
  }

  /** Starts the one request; it goes on when those who wait for it leave. */
  #fetch(anew: boolean): AsyncSubject<Credential> {
    const { name } = this.#source;
    const request = new AsyncSubject<Credential>();
    this.#request = request;
    this.#outdated = false;
    this.#timer?.unsubscribe();
    const renewalFailed = (error: unknown) => {
      const { message } = this.#safe(error);
      this.#event('failed', `${name}: renewal failed, authenticating anew: ${message}`);
    };
    const { timeoutMs, scheduler } = this.#options;
    const current = anew ? undefined : this.#peek();
    this.#life.add(
      askSource(this.#source, { current, timeoutMs, scheduler, renewalFailed }).subscribe({
        next: ({ grant, how }) => this.#granted(grant, how),
        error: (error: unknown) => this.#failed(this.#safe(error)),
      }),
    );
    return request;
  }

  #granted(grant: Grant, how: 'authenticated' | 'renewed'): void {
    const { refreshWindowMs, earlyExpiryMs, clockSkewMs } = this.#options;
    const { name } = this.#source;
    const now = this.#now();
    const { lifeMs, skewed } = lifeOf(grant, now, clockSkewMs);
    const { secret, scheme = 'Bearer' } = grant;
    const expiresAt = now + lifeMs;
    const before = this.#held?.credential;
    const same = before?.secret === secret && before.scheme === scheme && before.expiresAt === expiresAt;
    const credential = same ? before : hidingSecret({ secret, scheme, expiresAt });
    this.#held = {
      credential,
      renewAt: Math.max(expiresAt - Math.min(refreshWindowMs, lifeMs / 5), now + renewalIntervalMs),
      endsAt: expiresAt - Math.min(earlyExpiryMs, lifeMs / 10),
    };
    this.#failures = 0;
    this.#retryAt = -Infinity;
    const request = this.#request!;
    this.#request = undefined;
    if (!same) this.#came$.next(credential);
    request.next(credential);
    request.complete();
    this.#goOn();
    if (skewed) this.#event('skewed', `${name}: a new credential has ended by our clock: set it right`, expiresAt);
    if (!same) this.#event(how, `${name}: ${how}`, expiresAt);
  }

  #failed(error: FleetError): void {
    this.#lastError = error;
    this.#retryAt = this.#now() + this.#options.backoff(++this.#failures);
    const request = this.#request!;
    this.#request = undefined;
    this.#failed$.next(error);
    request.error(error);
    this.#goOn();
    this.#event('failed', error.message);
  }

  #goOn(): void {
    if (this.#outdated && !this.#request) this.#fetch(true);
    this.#keep();
  }

  /** While somebody observes, the next request is made without being asked for. */
  #keep(): void {
    this.#timer?.unsubscribe();
    if (this.#observers === 0 || this.#request || this.#life.closed) return;
    const now = this.#now();
    const at = Math.max(this.#held?.renewAt ?? now, this.#retryAt);
    if (at <= now) this.#fetch(false);
    else if (at < Infinity) {
      // A wait that is cut short by the platform's limit is taken up again.
      this.#timer = this.#options.scheduler.schedule(() => this.#keep(), Math.min(at - now, longestWait));
    }
  }

  #follow(): void {
    const { changes$ } = this.#source;
    if (this.#following || !changes$) return;
    this.#following = true;
    const changed = () => {
      if (this.#request) this.#outdated = true;
      else this.#fetch(true);
    };
    const failed = (error: unknown) => this.#event('failed', this.#safe(error).message);
    this.#life.add(changes$.subscribe({ next: changed, error: failed }));
  }

  #refusedAgain(): FleetError {
    const message = `a credential of ${this.#source.name} was refused, as was the one before it a moment ago`;
    return new FleetError('UNAUTHENTICATED', `${message}: check what it allows, and the clock of the node`);
  }

  /** An error of the source as callers may see it: no secret, and a code that says whether trying again may help. */
  #safe(thrown: unknown): FleetError {
    const secrets = this.#held ? [this.#held.credential.secret] : [];
    const error = withoutSecrets(thrown, secrets);
    if (refusedUs(error) || error.code === 'UNAVAILABLE') return error;
    return new FleetError('UNAVAILABLE', `${this.#source.name} gave no credential: ${error.detail}`);
  }

  #event(type: CredentialEvent['type'], message: string, expiresAt?: number): void {
    const event = { source: this.#source.name, type, message };
    this.#options.onEvent?.(expiresAt === undefined ? event : { ...event, expiresAt });
  }
}

function closed(): FleetError {
  return new FleetError('CLOSED', 'the credentials were closed: create new ones');
}

/** What asking again will not mend. */
function refusedUs({ code, blame }: FleetError): boolean {
  if (code === 'CANCELLED' || code === 'DISCOVERY_FAILED') return false;
  return (
    code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED' || code === 'INVALID_ARGUMENT' || blame === 'caller'
  );
}
