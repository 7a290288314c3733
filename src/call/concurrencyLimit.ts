/**
 * No more calls at once than can be served.
 *
 * A node that has more to do than it can works on all of it and finishes nothing in time; what it takes a second (Little's law:
 * so many at once, through how long each takes) does not grow with what is put on it. So beyond a limit calls wait here,
 * where they can still be put in order, given to whichever node is free first, or told at once that it is hopeless.
 *
 * The limit is known (`max`, or what a node says of itself), or learned: `aimdLimit` from refusals, `vegasLimit` and
 * `gradientLimit` from latency. What is learned belongs to one node, so each has a limit of its own then. One limit for many nodes shrinks for
 * all when one of them is slow or fails, and takes what little waits at each of hundreds for a long queue. Do not use it to keep a
 * rate (`rateLimit` does), nor around streams that live for hours: they keep their places.
 *
 * From Netflix' concurrency-limits and Envoy's adaptive concurrency and circuit breakers (`max_requests`,
 * `max_pending_requests`); the order of the queue and its care for deadlines from the flow control of llm-d.
 */

import { requireOption } from '../core/requireOption.js';
import type { Node } from '../core/node.js';
import type { CallInfo } from './call.js';
import { CallPlaces } from './concurrencyLimit/callPlaces.js';
import { NodePlaces } from './concurrencyLimit/nodePlaces.js';
import type { PlaceRules } from './concurrencyLimit/placeRules.js';
import type { LimitAlgorithm } from './limit.js';
import type { Policy } from './policy.js';

export interface ConcurrencyLimitOptions {
  /**
   * How many may run at once, at least 1. With `per: 'node'` it may be what each node says of itself, such as
   * `({ capabilities }) => capabilities[0]?.maxConcurrency`; one that says nothing, or 0, has no limit. Envoy: `max_requests`.
   */
  readonly max?: number | ((node: Node) => number | undefined);
  /** How the limit is learned, in the place of `max`. */
  readonly limit?: LimitAlgorithm;
  /**
   * What has a limit of its own. `client`: one for all calls. `node`: one for each node, which counts attempts. Or the key of a
   * call, such as its tenant, one for each. Default: `node` for a limit that is learned, since what is learned is how much one
   * node can take; else `client`.
   */
  readonly per?: 'client' | 'node' | ((call: CallInfo) => string | undefined);
  /** Where calls wait beyond the limit; with keys, one queue for each. `false`: they are refused. Default: 1,024 calls. */
  readonly queue?: QueueOptions | false;
  /**
   * Which latency a limit learns from: to the `end`, or to the `firstAnswer`, for streams whose length says nothing of the
   * load. Default `end`.
   */
  readonly latency?: 'end' | 'firstAnswer';
  /**
   * How many keys are told apart. Those of which no call runs are forgotten for new ones; while there is none, new keys share
   * one limit. Default 10,000.
   */
  readonly maxKeys?: number;
  /** As events and the snapshot call it, where a client has several. Default `concurrencyLimit`. */
  readonly name?: string;
}

/** See `concurrencyLimit`. */
export interface QueueOptions {
  /** How many calls may wait. Default 1,024. Envoy: `max_pending_requests`. */
  readonly size?: number;
  /** How long a call may wait, in milliseconds. Default: until its deadline. llm-d: `defaultRequestTTL`. */
  readonly maxWaitMs?: number;
}

/**
 * Lets so many calls run at once, and the others wait.
 *
 *     calls     (abc)------      max: 1, each call takes 2 ms
 *     sent      a-b-c------
 *
 * - Calls are let in by their priority, then by their deadline, then as they came.
 * - A call that would not be in time, going by how many wait before it and how long calls take, is refused at once; one that
 *   waits is refused as soon as that is so.
 * - When the queue is full, who cannot be in time goes first, then the one of the lowest priority with the least time to spare.
 * - With `per: 'node'` a node at its limit is passed over; when all are, the call waits for whichever is free first.
 * - A limit learns from answers, and from timeouts and refusals of nodes (`DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`,
 *   `UNAVAILABLE`). Calls that their callers gave up, those that other policies refused, and those that had less than half of
 *   their time left when they were let in and ran out of it say nothing; by the first answer, any call that had one does.
 *
 * ```ts
 * createFleet({ …, use: [concurrencyLimit({ limit: aimdLimit() })] });
 * // Nodes that can do one thing at a time, fed without piling up:
 * concurrencyLimit({ per: 'node', max: ({ capabilities }) => capabilities[0]?.maxConcurrency });
 * ```
 *
 * Fails calls with `CONCURRENCY_LIMITED`.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function concurrencyLimit(options: ConcurrencyLimitOptions): Policy {
  const rules = rulesOf(options);
  const { name = 'concurrencyLimit' } = options;
  return {
    name,
    start: (ports) => (perOf(options) === 'node' ? new NodePlaces(rules, ports) : new CallPlaces(rules, ports)),
  };
}

function perOf({ per, limit }: ConcurrencyLimitOptions): NonNullable<ConcurrencyLimitOptions['per']> {
  return per ?? (limit === undefined ? 'client' : 'node');
}

function rulesOf(options: ConcurrencyLimitOptions): PlaceRules {
  const per = perOf(options);
  const { max, limit, queue = {}, latency = 'end' } = options;
  const { maxKeys = 10_000 } = options;
  const { size = 1_024, maxWaitMs = Infinity } = queue === false ? { size: 0 } : queue;
  const field = (name: string) => `concurrencyLimit.${name}`;
  const known = per === 'client' || per === 'node' || typeof per === 'function';
  requireOption(known, field('per'), "'client', 'node' or a function", per);
  requireOption((max === undefined) !== (limit === undefined), field('limit'), 'given, or max, and not both', limit);
  requireOption(limit === undefined || typeof limit === 'function', field('limit'), 'an algorithm', limit);
  const asked = typeof max === 'function' && per === 'node';
  const most = max === undefined || asked || (Number.isInteger(max) && (max as number) >= 1);
  requireOption(most, field('max'), "a whole number from 1, or with per: 'node' a function", max);
  const whole = Number.isInteger(size) && size >= (queue === false ? 0 : 1);
  requireOption(whole, field('queue.size'), 'a whole number from 1', size);
  requireOption(maxWaitMs > 0, field('queue.maxWaitMs'), 'above 0', maxWaitMs);
  requireOption(latency === 'end' || latency === 'firstAnswer', field('latency'), "'end' or 'firstAnswer'", latency);
  requireOption(Number.isInteger(maxKeys) && maxKeys >= 1, field('maxKeys'), 'a whole number from 1', maxKeys);
  return {
    ...{ maxWaitMs, maxKeys, queueSize: size, algorithm: limit },
    max: typeof max === 'number' ? max : Infinity,
    maxOf: typeof max === 'function' ? max : undefined,
    keyOf: typeof per === 'function' ? per : undefined,
    byFirstAnswer: latency === 'firstAnswer',
  };
}
