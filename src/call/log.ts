/**
 * A line for each call, in a log of the user's own.
 *
 * For services whose log is all that they have. Metrics tell more of many calls, `events$` more of each; a log line tells
 * somebody who greps for an id what became of one. What is sent is never logged: headers may be secrets.
 */

import { requireOption } from '../core/requireOption.js';
import type { CallInfo } from './call.js';
import type { CallEnd, Policy } from './policy.js';
import { traceIdOf } from './trace.js';

/** Where lines go: pino's logger, or anything that has these methods. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A method of the logger, or none. */
export type LogLevel = keyof Logger | 'silent';

export interface LogOptions {
  /** For calls that succeed. Default `debug`. */
  readonly success?: LogLevel;
  /** For calls that fail through nodes or the network. Default `error`. */
  readonly failure?: LogLevel;
  /** For calls that fail through the request, such as `NOT_FOUND`, or a limit of this client. Default `warn`. */
  readonly refusal?: LogLevel;
  /** For calls that their users gave up. Default `debug`. */
  readonly cancelled?: LogLevel;
  /** A success that took longer, in milliseconds, is logged as `slow`. Default: none is. */
  readonly slowMs?: number;
  /** For slow successes. Default `warn`. */
  readonly slow?: LogLevel;
  /** What else a line says; called only for lines that are written. */
  readonly fields?: (call: CallInfo, end: CallEnd) => object;
}

/**
 * Writes a line when a call is over: its method, code, latency, the node that answered, the attempts that failed, and the
 * id of its trace.
 *
 * ```ts
 * createFleet({ …, use: [trace(), log(pino())] });
 * ```
 *
 * A logger that throws does not harm the call.
 *
 * @throws FleetError `INVALID_OPTION` for a logger without the methods that are asked for.
 */
export function log(logger: Logger, options: LogOptions = {}): Policy {
  const { success = 'debug', failure = 'error', refusal = 'warn', cancelled = 'debug', slow = 'warn' } = options;
  const { slowMs = Infinity, fields } = options;
  requireOption(slowMs > 0, 'log.slowMs', 'above 0', slowMs);
  for (const level of [success, failure, refusal, cancelled, slow]) {
    const known = level === 'silent' || typeof logger?.[level] === 'function';
    requireOption(known, 'log.logger', `a logger with the method ${level}`, typeof logger);
  }
  const levelOf = ({ code, error, latencyMs }: CallEnd): LogLevel => {
    if (code === 'OK') return latencyMs > slowMs ? slow : success;
    if (error === undefined) return cancelled;
    return error.blame === 'node' || error.blame === 'network' ? failure : refusal;
  };

  return {
    name: 'log',
    start: () => ({
      end(call, end) {
        const level = levelOf(end);
        if (level === 'silent') return;
        try {
          logger[level]({ ...linesOf(call, end), ...fields?.(call, end) }, messageOf(call, end));
        } catch {
          // A log that cannot be written is no reason to fail what it is about.
        }
      },
      close: () => undefined,
    }),
  };
}

function linesOf(call: CallInfo, { code, error, latencyMs, firstMessageMs, messages }: CallEnd): object {
  const { name, node, attempts } = call;
  const traceId = traceIdOf(call);
  return {
    method: name,
    code,
    latencyMs: rounded(latencyMs),
    ...(firstMessageMs === undefined ? {} : { firstMessageMs: rounded(firstMessageMs) }),
    messages,
    ...(node === undefined ? {} : { node }),
    ...(attempts.length > 0 ? { attempts } : {}),
    ...(traceId === undefined ? {} : { traceId }),
    ...(error ? { error: error.detail, remedy: error.remedy } : {}),
  };
}

function messageOf({ name, attempts }: CallInfo, { code, error, latencyMs }: CallEnd): string {
  const after = `${name} ${code} after ${rounded(latencyMs)} ms`;
  const failed = attempts.length;
  if (!error) return failed === 0 ? after : `${after}, ${failed} failed ${failed === 1 ? 'attempt' : 'attempts'}`;
  return `${after}: ${error.detail}`;
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
