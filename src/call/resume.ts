/**
 * How a stream goes on after it broke.
 *
 * A stream that has spoken must not be started over: what was said would be said twice. But from what was said another
 * request can often be built that asks for the rest: the next page, the events after the last one, a prompt with the text so
 * far. That is a `Resume`; it needs to know the meaning of the messages, so it is written once for each kind of stream.
 */

import type { FleetErrorCode } from '../core/errorCodes.js';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';

/**
 * How well a stream that was resumed fits together. `exact`: message for message as without the break. `text`: it reads on,
 * but another run might have said other words. `none`: nothing is promised.
 */
export type Continuity = 'exact' | 'text' | 'none';

/** When silence counts as a break. */
export interface StallOptions {
  /**
   * A stream that is silent for so many times its usual gap has stalled; after a break, for so many times what its first answer
   * took where that is more. Default 10.
   */
  readonly factor?: number;
  /** But never before so many milliseconds. Default 1,000. */
  readonly minMs?: number;
  /** Gaps that must be known before silence is judged. Default 3. */
  readonly after?: number;
}

/** How one kind of stream is resumed. `I` asks, `R` answers, `S` is what it remembers of the answers, which is its own business. */
export interface Resume<I, R, S = any> {
  readonly continuity: Continuity;
  /** What is remembered before the first answer. */
  readonly begin: (request: I) => S;
  /** The same after one more answer; may change `seen` and return it. */
  readonly see: (seen: S, answer: R) => S;
  /** The request for what is missing; undefined when there is nothing to go on from, or nothing more to come. */
  readonly next: (request: I, seen: S) => I | undefined;
  /**
   * The place of an answer in the whole stream, such as a sequence number; it must go up by one from answer to answer, also
   * across a break: a place that was emitted already is dropped after a break, and anything else is an error.
   */
  readonly position?: (answer: R) => number | bigint;
  /** Changes an answer that comes after a break, so that it fits what was said before; undefined drops it. */
  readonly rewrite?: (answer: R, seen: S) => R | undefined;
  /** Breaks that are mended in one call. Default 3. */
  readonly maxResumes?: number;
  /**
   * Codes of a node that count as a break; where it could not be reached, or was silent, it is one whatever they are.
   * Default `UNAVAILABLE`, `INTERNAL`, `UNKNOWN`, `CANCELLED` (by the node), `DATA_LOSS`.
   */
  readonly codes?: readonly FleetErrorCode[];
  /** When silence counts as a break, too. Default: never. */
  readonly stall?: StallOptions | false;
}

const defaultCodes: readonly FleetErrorCode[] = ['UNAVAILABLE', 'INTERNAL', 'UNKNOWN', 'CANCELLED', 'DATA_LOSS'];

/** The resuming of one call, as the pipeline uses it. */
export interface Continuation<R> {
  readonly continuity: Continuity;
  readonly stall: StallOptions | false;
  /** Codes that count as a break. */
  readonly codes: readonly FleetErrorCode[];
  /** True once it has gone on after a break. */
  readonly resumed: boolean;
  /**
   * Takes an answer; says what to emit of it, or undefined for nothing.
   *
   * @throws FleetError `BAD_RESPONSE` for a gap or a repeat.
   */
  take(answer: R): R | undefined;
  /**
   * Prepares the request for the rest; false when the error stands. Throws what the strategy throws.
   *
   * @param untold no node has told it, so that its code does not matter.
   */
  resume(error: FleetError, untold: boolean): boolean;
  /** Tells its user that it goes on after this error. Throws what they throw. */
  tell(error: FleetError): void;
}

/**
 * The continuation of one call, and the request that its attempts send: the first one until there was a break.
 *
 * @param resumed told of each break that is mended.
 * @throws FleetError `INVALID_OPTION` for senseless options, and whatever `begin` throws.
 */
export function continuationOf<I, R, S>(
  strategy: Resume<I, R, S>,
  request: I,
  resumed?: (error: FleetError, continuity: Continuity) => void,
): Continuation<R> & { readonly request: I } {
  checkResume(strategy);
  try {
    return new Continued(strategy, request, resumed);
  } catch (thrown) {
    throw FleetError.from(thrown);
  }
}

class Continued<I, R, S> implements Continuation<R> {
  request: I;
  resumed = false;
  private seen: S;
  private last: bigint | undefined = undefined;
  private resumes = 0;
  /** True from a break to the first answer that is new. */
  private catchingUp = false;

  constructor(
    private readonly strategy: Resume<I, R, S>,
    private readonly first: I,
    private readonly told: ((error: FleetError, continuity: Continuity) => void) | undefined,
  ) {
    this.request = first;
    this.seen = strategy.begin(first);
  }

  get continuity(): Continuity {
    return this.strategy.continuity;
  }

  get stall(): StallOptions | false {
    return this.strategy.stall ?? false;
  }

  get codes(): readonly FleetErrorCode[] {
    return this.strategy.codes ?? defaultCodes;
  }

  take(given: R): R | undefined {
    const { strategy } = this;
    const answer = this.resumed && strategy.rewrite ? strategy.rewrite(given, this.seen) : given;
    if (answer === undefined) return undefined;
    if (strategy.position && !this.isNext(strategy.position(answer))) return undefined;
    this.seen = strategy.see(this.seen, answer);
    return answer;
  }

  resume({ code }: FleetError, untold: boolean): boolean {
    const { maxResumes = 3, next } = this.strategy;
    if (this.resumes >= maxResumes || (!untold && !this.codes.includes(code))) return false;
    const request = next(this.first, this.seen);
    if (request === undefined) return false;
    this.request = request;
    this.resumes++;
    this.resumed = true;
    this.catchingUp = true;
    return true;
  }

  tell(error: FleetError): void {
    this.told?.(error, this.continuity);
  }

  /** Whether this is the place after the last one; false for one that was emitted before a break. */
  private isNext(position: number | bigint): boolean {
    const at = BigInt(position);
    const { last } = this;
    if (last !== undefined && at !== last + 1n) {
      if (at <= last && this.catchingUp) return false;
      const what = at > last ? `${at - last - 1n} answers are missing` : 'it was given already';
      throw new FleetError('BAD_RESPONSE', `answer ${at} came after answer ${last}: ${what}`);
    }
    this.last = at;
    this.catchingUp = false;
    return true;
  }
}

/**
 * Refuses senseless options, for use where they are given.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function checkResume(resume: Pick<Resume<never, never>, 'maxResumes' | 'stall'>): void {
  const { maxResumes = 3, stall } = resume;
  requireOption(Number.isInteger(maxResumes) && maxResumes >= 0, 'resume.maxResumes', 'a whole number', maxResumes);
  if (!stall) return;
  const { factor = 10, minMs = 1_000, after = 3 } = stall;
  requireOption(factor >= 1, 'resume.stall.factor', 'at least 1', factor);
  requireOption(minMs > 0, 'resume.stall.minMs', 'more than 0', minMs);
  requireOption(Number.isInteger(after) && after >= 1, 'resume.stall.after', 'a whole number from 1', after);
}
