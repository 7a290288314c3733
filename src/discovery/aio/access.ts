/** One way to one AIO platform: its servers, our credential, and each call with it. */

import {
  asyncScheduler,
  catchError,
  concatMap,
  tap,
  type Observable,
  type ObservableInput,
  type SchedulerLike,
} from 'rxjs';
import { createCredentials } from '../../auth/createCredentials.js';
import type { Grant } from '../../auth/credentialSource.js';
import type { CredentialEvent, Credentials } from '../../auth/credentials.js';
import { FleetError } from '../../core/fleetError.js';
import type { Metadata } from '../../core/metadata.js';
import type { Method } from '../../core/method.js';
import { grpcTransport } from '../../transport/grpc.js';
import { resolveAccessOptions, type AioAccessOptions } from './aioAccessOptions.js';
import { aioCredentialSource, authorization } from './credentialSource.js';
import { Endpoints } from './endpoints.js';

/** What the discovery, the registry and the client of AIO share when they are of one client. */
export class AioAccess {
  readonly env: string;
  readonly callTimeoutMs: number;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Undefined with `disableAuth`. */
  readonly credentials: Credentials | undefined;
  readonly #endpoints: Endpoints;
  /** True from a refusal of key and secret until they are accepted. */
  #refused = false;

  /** @throws FleetError `INVALID_OPTION`, naming the option. */
  constructor(options: AioAccessOptions, onEvent?: (event: CredentialEvent) => void) {
    const { addresses, clientKey, clientSecret, disableAuth, env, callTimeoutMs } = resolveAccessOptions(options);
    const { scheduler = asyncScheduler, random = Math.random } = options;
    this.env = env;
    this.callTimeoutMs = callTimeoutMs;
    this.scheduler = scheduler;
    this.random = random;
    const transport = options.transport ?? grpcTransport({ initialReconnectMs: 100, maxReconnectMs: 5_000 });
    const secrets = () => [clientSecret, this.credentials?.current?.secret ?? ''];
    this.#endpoints = new Endpoints({ addresses, transport, callTimeoutMs, scheduler, secrets });
    if (disableAuth) return;
    const asked = aioCredentialSource(this.#endpoints, clientKey, clientSecret);
    const accepted = tap<Grant>({
      next: () => (this.#refused = false),
      error: ({ blame }: FleetError) => (this.#refused = blame === 'request'),
    });
    const source = { ...asked, authenticate: () => asked.authenticate().pipe(accepted) };
    // A server that is back is asked soon: without a credential nothing else goes on.
    const backoff = { initialBackoffMs: 200, maxBackoffMs: 10_000 };
    // The servers are tried one after another, each within its time.
    const timeoutMs = callTimeoutMs * addresses.length + 1_000;
    this.credentials = createCredentials(source, { timeoutMs, backoff, onEvent, scheduler, random });
  }

  /** `aio at 10.0.0.1:50051`, for messages. */
  get name(): string {
    return this.#endpoints.name;
  }

  /** One call with one answer, with our credential. Only for what may be done twice. */
  call<I, O>(method: Method<I, O>, request: I): Observable<O> {
    return this.#authorized((metadata) => this.#endpoints.call(method, request, metadata));
  }

  /**
   * The same, for what goes on for as long as there is hope: a token that is refused again and again, while key and
   * secret are good, is the trouble of the server, and may pass. So that is told as `UNAVAILABLE`.
   */
  hopeful<T>(answer$: Observable<T>): Observable<T> {
    return answer$.pipe(
      catchError((error: unknown) => {
        const passes = error instanceof FleetError && error.code === 'UNAUTHENTICATED' && !this.#refused;
        throw passes && this.credentials ? new FleetError('UNAVAILABLE', error.detail, { sent: error.sent }) : error;
      }),
    );
  }

  /** One stream, with our credential. `requests` are subscribed to anew when the credential is refused. */
  stream<I, O>(method: Method<I, O>, requests: ObservableInput<I>): Observable<O> {
    return this.#authorized((metadata) => this.#endpoints.stream(method, requests, metadata));
  }

  /** `work`, with the connections kept open for as long as it runs. */
  held<T>(work: () => ObservableInput<T>): Observable<T> {
    return this.#endpoints.held(work);
  }

  /** The server that answered last has stopped answering: the next call goes to another, or over a new connection. */
  distrust(): void {
    this.#endpoints.distrust();
  }

  close(): void {
    this.credentials?.close();
    this.#endpoints.close();
  }

  /** A refused credential is replaced once, and the work done again once: never in a loop. */
  #authorized<T>(work: (metadata?: Metadata) => Observable<T>): Observable<T> {
    const { credentials } = this;
    if (!credentials) return work();
    return this.held(() =>
      credentials.valid().pipe(
        concatMap((shown) =>
          work(authorization(shown)).pipe(
            catchError((error: unknown) => {
              if (!(error instanceof FleetError) || error.code !== 'UNAUTHENTICATED') throw error;
              return credentials.replacement(shown).pipe(concatMap((other) => work(authorization(other))));
            }),
          ),
        ),
      ),
    );
  }
}
