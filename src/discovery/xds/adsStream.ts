/** One stream with a control plane: asks for what is wanted, takes in what comes, accepts or refuses it. */

import { concat, filter, Observable, Subscription, take, throwError, timer, type SchedulerLike } from 'rxjs';
import type { Subscriber } from 'rxjs';
import type { Channel } from '../../core/channel.js';
import { FleetError } from '../../core/fleetError.js';
import { rpc } from '../../core/rpc.js';
import type { Node as NodeMessage } from '../../gen/envoy/core_pb.js';
import type { Answer, Dialect } from './dialect.js';
import { isListedWhole, kindOf, readAny, resourceKinds, typeUrlOf, type ResourceKind } from './resourceKind.js';
import type { Resolution } from './resolveTarget.js';
import type { ResourceStore } from './resourceStore.js';

export interface AdsStreamOptions {
  readonly channel: Channel;
  /** Taken up as it is, and kept when the stream ends: nothing is forgotten. */
  readonly store: ResourceStore;
  /** What the store comes to now. */
  readonly resolve: () => Resolution;
  /** Who we are. */
  readonly node: NodeMessage;
  /** gRFC A53. */
  readonly ignoreDeletion: boolean;
  /** gRFC A88. */
  readonly timerIsTransientError: boolean;
  /** How long a resource may be awaited before it counts as missing, in milliseconds. */
  readonly resourceTimeoutMs: number;
  readonly scheduler: SchedulerLike;
  /** Told of what is refused or missing. */
  readonly tell: (message: string) => void;
  /** Told of what is not followed here, whenever it comes. */
  readonly note: (message: string) => void;
  /** Told of each answer, before it is read. */
  readonly onAnswer: () => void;
  /** Told how many resources of an answer were good, and how many were not. */
  readonly onRead: (kind: ResourceKind, good: number, bad: number) => void;
  /** Told when what the store holds may be another. */
  readonly onChange: () => void;
}

/**
 * Emits what is resolved after each answer, once every type that is asked for has been answered on this stream, or the
 * time in which an answer had to come has passed; so what is told is never older than the stream.
 *
 *     answers    -L--R--C--E------E2--
 *     stream     -l--r--c--e------e2--     each accepted (ACK), or refused with reasons (NACK)
 *
 * The time of a resource runs only while there is a connection (gRFC A57). Errors when the stream ends, however it does.
 */
export function adsStream<I, O>(dialect: Dialect<I, O>, options: AdsStreamOptions): Observable<Resolution> {
  return new Observable((subscriber) => {
    const stream = new AdsStream(dialect, options, subscriber);
    subscriber.add(stream.life);
    stream.open();
  });
}

const ended = () => new FleetError('UNAVAILABLE', 'it ended the stream');

class AdsStream<I, O> {
  readonly life = new Subscription();
  readonly #dialect: Dialect<I, O>;
  readonly #options: AdsStreamOptions;
  readonly #subscriber: Subscriber<Resolution>;
  /** The names that this stream was asked for. */
  readonly #sent = new Map<ResourceKind, ReadonlySet<string>>();
  readonly #nonces = new Map<ResourceKind, string>();
  readonly #answered = new Set<ResourceKind>();
  readonly #deadlines = new Map<string, Subscription>();
  #connected = false;
  #quiet = false;
  #introduced = false;
  #send: (request: I) => void = () => undefined;

  constructor(dialect: Dialect<I, O>, options: AdsStreamOptions, subscriber: Subscriber<Resolution>) {
    this.#dialect = dialect;
    this.#options = options;
    this.#subscriber = subscriber;
  }

  open(): void {
    const { channel } = this.#options;
    const requests$ = new Observable<I>((wire) => {
      this.#send = (request) => wire.next(request);
      this.#follow();
    });
    this.life.add(
      concat(rpc(channel, this.#dialect.method, requests$), throwError(ended)).subscribe({
        next: (answer) => this.#take(this.#dialect.read(answer)),
        error: (error: unknown) => this.#subscriber.error(error),
      }),
    );
    this.life.add(
      channel.state$
        .pipe(
          filter((state) => state === 'READY'),
          take(1),
        )
        .subscribe(() => this.#nowConnected()),
    );
  }

  #nowConnected(): void {
    const { resourceTimeoutMs, scheduler } = this.#options;
    this.#connected = true;
    this.#awaitAnswers();
    this.life.add(
      timer(resourceTimeoutMs, scheduler).subscribe(() => {
        this.#quiet = true;
        this.#follow();
      }),
    );
  }

  #take(answer: Answer): void {
    const { onAnswer, onRead, tell, store } = this.#options;
    onAnswer();
    const kind = kindOf(answer.typeUrl);
    if (!kind || !this.#sent.has(kind)) {
      tell(`an answer of type "${answer.typeUrl}", which nobody asked for, is passed over`);
      return;
    }
    this.#nonces.set(kind, answer.nonce);
    this.#answered.add(kind);
    const errors = this.#apply(kind, answer);
    onRead(kind, answer.resources.length - errors.length, errors.length);
    if (errors.length === 0) store.accepted(kind, answer.version);
    this.#follow({ kind, error: errors.length > 0 ? errors.join('; ') : undefined });
  }

  /** Takes in what is good, and says what is not. */
  #apply(kind: ResourceKind, { resources, removed }: Answer): string[] {
    const { store, tell, note, ignoreDeletion } = this.#options;
    const errors: string[] = [];
    const named = new Set<string>();
    for (const [index, { resource, version }] of resources.entries()) {
      const { name, facts, errors: reasons, notes } = readAny(kind, resource);
      named.add(name);
      if (facts) {
        if (store.get(kind, name)) for (const each of notes ?? []) note(`${kind} "${name}": ${each}`);
        store.accept(kind, name, facts, version);
        continue;
      }
      const error = `${kind} ${name ? `"${name}"` : `number ${index + 1}`}: ${reasons!.join(', ')}`;
      const kept = store.get(kind, name)?.state === 'known' ? '; what was known before is kept' : '';
      tell(`refused ${error}${kept}`);
      errors.push(error);
      store.refuse(kind, name);
    }
    const gone = [...removed];
    // One whose name is not legible may be any of them.
    if (this.#dialect.listsWhole && isListedWhole(kind) && !named.has('')) {
      for (const name of store.names(kind)) {
        if (store.get(kind, name)?.state === 'known' && !named.has(name)) gone.push(name);
      }
    }
    for (const name of gone) this.#remove(kind, name, ignoreDeletion);
    return errors;
  }

  #remove(kind: ResourceKind, name: string, ignoreDeletion: boolean): void {
    const { store, tell, note } = this.#options;
    const known = store.get(kind, name);
    if (!known || known.state === 'missing') return;
    if (known.state !== 'known') tell(`${kind} "${name}" does not exist: check the control plane and the name`);
    else if (ignoreDeletion && isListedWhole(kind)) {
      store.keep(kind, name);
      return note(`${kind} "${name}" was deleted, and is kept as the bootstrap asks`);
    } else tell(`${kind} "${name}" was deleted`);
    store.remove(kind, name);
  }

  /** Asks for what is wanted now, and says what is known. */
  #follow(reply?: { readonly kind: ResourceKind; readonly error: string | undefined }): void {
    const { store, resolve, onChange } = this.#options;
    const resolution = resolve();
    store.want(resolution.wanted);
    onChange();
    for (const kind of resourceKinds) {
      const names = resolution.wanted[kind];
      const before = this.#sent.get(kind);
      const replies = reply?.kind === kind;
      if (!replies && (before ? sameNames(before, names) : names.size === 0)) continue;
      this.#sent.set(kind, new Set(names));
      this.#send(
        this.#dialect.ask({
          typeUrl: typeUrlOf(kind),
          ...{ names, before, reply: replies, nonce: this.#nonces.get(kind) ?? '' },
          error: replies ? reply.error : undefined,
          ...{ version: store.version(kind), versions: store.knownVersions(kind) },
          node: this.#introduced ? undefined : this.#options.node,
        }),
      );
      this.#introduced = true;
    }
    this.#awaitAnswers();
    if (this.#quiet || [...this.#sent].every(([kind, { size }]) => size === 0 || this.#answered.has(kind))) {
      this.#subscriber.next(resolution);
    }
  }

  /** A clock for each resource of which nothing was heard. */
  #awaitAnswers(): void {
    if (!this.#connected) return;
    const { store, resourceTimeoutMs, scheduler } = this.#options;
    const awaited = new Set<string>();
    for (const kind of resourceKinds) {
      for (const name of store.names(kind)) {
        if (store.get(kind, name)?.state !== 'asked') continue;
        const key = `${kind} ${name}`;
        awaited.add(key);
        if (this.#deadlines.has(key)) continue;
        const deadline = timer(resourceTimeoutMs, scheduler).subscribe(() => this.#late(kind, name));
        this.#deadlines.set(key, deadline);
        this.life.add(deadline);
      }
    }
    for (const [key, deadline] of this.#deadlines) {
      if (awaited.has(key)) continue;
      deadline.unsubscribe();
      this.life.remove(deadline);
      this.#deadlines.delete(key);
    }
  }

  #late(kind: ResourceKind, name: string): void {
    const { store, tell, resourceTimeoutMs, timerIsTransientError } = this.#options;
    if (store.get(kind, name)?.state !== 'asked') return;
    if (timerIsTransientError) {
      tell(`${kind} "${name}" did not come within ${resourceTimeoutMs} ms`);
      store.late(kind, name);
    } else {
      tell(`${kind} "${name}" does not exist: nothing came of it within ${resourceTimeoutMs} ms`);
      store.remove(kind, name);
    }
    this.#follow();
  }
}

function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name));
}
