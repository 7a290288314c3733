/** What can be put around every call, and around every attempt. */

import type { Observable } from 'rxjs';
import type { Metadata } from '../core/metadata.js';
import type { AttemptContext, Call } from './call.js';
import type { Policy } from './policy.js';

/** Runs a call. Cold: each subscription runs it. */
export type Handler<C> = <R>(call: Call<C, R>) => Observable<R>;

/**
 * Wraps a handler: may change what goes in, what comes out, when, and whether at all. Works the same for calls with
 * one answer and for streams. The order of everything around a call stands at `pipeline`.
 */
export type Middleware<C = unknown> = (next: Handler<C>) => Handler<C>;

/** A middleware that does not care what the connections are. */
export type AnyMiddleware = <C>(next: Handler<C>) => Handler<C>;

/** One attempt on one node, as the middlewares around attempts see it. */
export interface AttemptCall<C, R> extends AttemptContext {
  readonly call: Call<C, R>;
  readonly connection: C;
  /** What this attempt sends; may be replaced before `next`. */
  metadata: Metadata | undefined;
}

/** Runs an attempt. Cold: each subscription runs it. */
export type AttemptHandler<C> = <R>(attempt: AttemptCall<C, R>) => Observable<R>;

/** Wraps the attempts of a call, each on its node; inside retry, hedging and the breaker, which see what comes out. */
export type AttemptMiddleware<C = unknown> = (next: AttemptHandler<C>) => AttemptHandler<C>;

/** An attempt middleware that does not care what the connections are. */
export type AnyAttemptMiddleware = <C>(next: AttemptHandler<C>) => AttemptHandler<C>;

/** A middleware around attempts, made by `perAttempt`. */
export interface AttemptLayer<C = unknown> {
  readonly perAttempt: AttemptMiddleware<C>;
}

/** What `use` takes: middlewares around calls, middlewares around attempts, and policies, which know their own place. */
export type Layer<C = unknown> = Middleware<C> | AttemptLayer<C> | Policy;

/**
 * Puts a middleware around each attempt in the place of each call.
 *
 * ```ts
 * createFleet({ …, use: [perAttempt(faultInjection({ abort: { ratio: 0.1, code: 'UNAVAILABLE' } }))] });
 * ```
 */
export function perAttempt(middleware: AnyAttemptMiddleware): { readonly perAttempt: AnyAttemptMiddleware };
export function perAttempt<C>(middleware: AttemptMiddleware<C>): AttemptLayer<C>;
export function perAttempt<C>(middleware: AttemptMiddleware<C>): AttemptLayer<C> {
  return { perAttempt: middleware };
}

/** The handler with every middleware around it, the first outermost. */
export function compose<H>(middlewares: readonly ((next: H) => H)[], handler: H): H {
  return middlewares.reduceRight<H>((next, middleware) => middleware(next), handler);
}
