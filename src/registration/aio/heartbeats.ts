/** The heartbeats of all registrations of one client, on one long stream. */

import { defer, from, merge, Observable, Subject, type Subscription } from 'rxjs';
import type { Subscriber } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { methodOf } from '../../core/method.js';
import type { AioAccess } from '../../discovery/aio/access.js';
import { RegistryService, type HeartbeatRequest, type HeartbeatResponse } from '../../gen/aio/registry_pb.js';

const heartbeatStream = methodOf(RegistryService.method.heartbeatStream);

/** A beat that was sent and has no answer yet; it keeps its place even when nobody waits for it any more. */
interface Beat {
  readonly request: HeartbeatRequest;
  readonly subscriber: Subscriber<bigint>;
}

/**
 * Sends beats and hands each its answer.
 *
 *     beats     a--b--c--------     the server answers each message by one, in order
 *     answers   -a--b--0-------     0: that registration is gone
 *
 * The stream is opened by the first beat, again by the next one after it broke, and closed when no registration is
 * kept alive by it any more. A beat without an answer in its time takes the stream down with it: what would come
 * after could not be told apart.
 */
export class Heartbeats {
  readonly #access: AioAccess;
  readonly #answerTimeoutMs: number;
  #requests: Subject<HeartbeatRequest> | undefined;
  #stream: Subscription | undefined;
  #waiting: Beat[] = [];
  readonly #kept = new Set<string>();
  #keptUntil = 0;
  #idle: Subscription | undefined;

  constructor(access: AioAccess, answerTimeoutMs: number) {
    this.#access = access;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  /**
   * One beat. Cold; emits `expires_at` as the server gave it, and completes.
   *
   * @param lifeMs How long the registration lives after it. An answer must come within a quarter of that, so that there is
   *   time for another beat over another connection; but half a second is always given, where the life is that long.
   */
  beat(serviceId: bigint, key: string, lifeMs: number): Observable<bigint> {
    return new Observable((subscriber) => {
      const { scheduler } = this.#access;
      const request = heartbeatStream.message({ serviceId, instanceKey: key });
      const timeoutMs = Math.min(this.#answerTimeoutMs, Math.max(lifeMs / 4, Math.min(500, lifeMs / 2)));
      const beat: Beat = { request, subscriber };
      this.#waiting.push(beat);
      this.#keep(`${serviceId} ${key}`, scheduler.now() + 2 * lifeMs);
      const patience = scheduler.schedule(() => this.#stalled(beat, timeoutMs), timeoutMs);
      subscriber.add(() => patience.unsubscribe());
      if (this.#requests) this.#requests.next(request);
      else this.#open();
    });
  }

  /** This registration beats no more. */
  forget(serviceId: bigint, key: string): void {
    this.#kept.delete(`${serviceId} ${key}`);
    if (this.#kept.size === 0) this.close();
  }

  /** Ends the stream; beats without an answer stay without. */
  close(): void {
    this.#end(new FleetError('CLOSED', `${this.#access.name}: the heartbeats were closed`));
    this.#idle?.unsubscribe();
  }

  #open(): void {
    const requests = (this.#requests = new Subject());
    // Whatever has no answer goes first: also when the stream is opened a second time with another credential.
    const unanswered = defer(() => from(this.#waiting.map(({ request }) => request)));
    const stream = this.#access.stream(heartbeatStream, merge(unanswered, requests)).subscribe({
      next: (answer) => this.#answered(answer),
      error: (error: unknown) => this.#end(error),
      complete: () => this.#end(new FleetError('UNAVAILABLE', `${this.#access.name}: the server ended the heartbeats`)),
    });
    // It may have failed within the call above.
    if (this.#requests === requests) this.#stream = stream;
  }

  #answered({ expiresAt }: HeartbeatResponse): void {
    const beat = this.#waiting.shift();
    beat?.subscriber.next(expiresAt);
    beat?.subscriber.complete();
  }

  #stalled(beat: Beat, ms: number): void {
    this.#access.distrust();
    const message = `${this.#access.name}: HeartbeatStream: no answer within ${ms} ms; look why the server is slow`;
    if (this.#waiting.includes(beat)) this.#end(new FleetError('DEADLINE_EXCEEDED', message));
    else beat.subscriber.error(new FleetError('DEADLINE_EXCEEDED', message));
  }

  #end(error: unknown): void {
    const waiting = this.#waiting;
    const stream = this.#stream;
    this.#waiting = [];
    this.#requests = undefined;
    this.#stream = undefined;
    stream?.unsubscribe();
    for (const { subscriber } of waiting) subscriber.error(error);
  }

  /** Registrations that nobody withdrew and nobody renews must not hold the stream for ever. */
  #keep(name: string, until: number): void {
    const { scheduler } = this.#access;
    this.#kept.add(name);
    this.#keptUntil = Math.max(this.#keptUntil, until);
    this.#idle?.unsubscribe();
    this.#idle = scheduler.schedule(() => {
      this.#kept.clear();
      this.close();
    }, this.#keptUntil - scheduler.now());
  }
}
