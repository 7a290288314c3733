/**
 * What Prometheus answers to a query, again and again.
 *
 * A client sees its own calls; Prometheus sees those of all clients. A Prometheus that is down, slow or wrong must not
 * take the client with it, so its failures are told and tried again, and whoever listens keeps what was answered
 * before.
 */

import { asyncScheduler, filter, map, type Observable, type SchedulerLike } from 'rxjs';
import { exponentialBackoff } from '../../core/backoff.js';
import { FleetError } from '../../core/fleetError.js';
import { requireOption } from '../../core/requireOption.js';
import { httpExchange, refusalOf, requireHttpUrl, type HttpHeaders } from './httpExchange.js';
import { rounds } from './rounds.js';

/** How Prometheus is asked; the same for each kind of query. */
export interface PromqlConnection {
  /** Prometheus, such as `http://127.0.0.1:9090`. A path before `/api/v1` may follow; credentials go into `headers`. */
  readonly url: string;
  /** Milliseconds from one answer to the next question. Default 10,000. */
  readonly intervalMs?: number;
  /** How long an answer may take, in milliseconds; Prometheus is told, too. Default 5,000. */
  readonly timeoutMs?: number;
  /** Such as `{ authorization: 'Bearer …' }`. Default none. */
  readonly headers?: HttpHeaders;
  /** Told of each answer and each failure. Default: nobody is. What it throws is lost. */
  readonly onEvent?: (event: PromqlEvent) => void;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

export interface PromqlOptions extends PromqlConnection {
  /** An expression whose value is an instant vector or a number. */
  readonly query: string;
}

/** One series of an answer. */
export interface PromSample {
  readonly labels: Readonly<Record<string, string>>;
  /** May be `NaN` or infinite, as Prometheus has it. */
  readonly value: number;
  /** When, in milliseconds since the epoch by the clock of Prometheus. */
  readonly at: number;
}

/** What became of a query. Told apart by `type`. */
export type PromqlEvent =
  | { readonly type: 'answered'; readonly at: number; readonly samples: number; readonly warnings: readonly string[] }
  | { readonly type: 'failed'; readonly at: number; readonly error: FleetError; readonly retryInMs: number };

/** What a timer of Node can wait for. */
const longest = 2 ** 31 - 1;

/**
 * The answers to a query: at once, then every `intervalMs`, until unsubscribed. Never errors, and does not complete;
 * while Prometheus cannot be asked it is silent, and asks again after 1 s, doubling to `intervalMs` or a minute.
 *
 *     asked      q---q---q-q--q---     x: fails
 *     answers    -a---b---x-x--c--
 *     emitted    -a---b--------c--
 *
 * ```ts
 * promql({ url: 'http://127.0.0.1:9090', query: 'sum by (job) (up)' }).subscribe(console.log);
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option.
 */
export function promql(options: PromqlOptions): Observable<readonly PromSample[]> {
  return promqlRounds(options).pipe(filter((round) => round !== undefined));
}

/** The same, with `undefined` for each round that failed. */
export function promqlRounds(options: PromqlOptions): Observable<readonly PromSample[] | undefined> {
  const { query, intervalMs = 10_000, timeoutMs = 5_000, headers = {}, onEvent } = options;
  const { scheduler = asyncScheduler, random = Math.random } = options;
  const base = requireHttpUrl(options.url);
  requireOption(typeof query === 'string' && query.trim() !== '', 'query', 'a text that is not empty', query);
  requireOption(intervalMs > 0 && intervalMs <= longest, 'intervalMs', 'above 0', intervalMs);
  requireOption(timeoutMs > 0 && timeoutMs <= longest, 'timeoutMs', 'above 0', timeoutMs);
  const backoff = exponentialBackoff({ initialBackoffMs: 1_000, maxBackoffMs: Math.max(intervalMs, 60_000) });
  const who = `Prometheus at ${base}`;
  const asked = new URLSearchParams({ query, timeout: `${Math.ceil(timeoutMs)}ms` });
  const url = `${base}/api/v1/query?${asked.toString()}`;
  const tell = (event: PromqlEvent) => {
    try {
      onEvent?.(event);
    } catch {
      // Who looks on cannot stop the asking.
    }
  };
  const ask$ = httpExchange({ who, method: 'GET', url, headers, timeoutMs }, scheduler).pipe(
    map((answer) => {
      const { samples, warnings } = vectorOf(who, answer);
      tell({ type: 'answered', at: scheduler.now(), samples: samples.length, warnings });
      return samples;
    }),
  );
  return rounds(ask$, {
    ...{ intervalMs, backoff, scheduler, random },
    failed: (thrown, retryInMs) =>
      tell({ type: 'failed', at: scheduler.now(), error: FleetError.from(thrown), retryInMs }),
  });
}

/** A label value within the quotes of a query. */
export function quoted(value: string): string {
  return `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}

/** `{service="cart",status="success"}`; empty where there is nothing to match. */
export function matching(labels: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(labels).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${quoted(value)}`],
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** A time as queries have it: `60s`, `1500ms`. */
export function duration(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${Math.round(ms)}ms`;
}

/** https://prometheus.io/docs/prometheus/latest/querying/api/ */
interface Answer {
  readonly status?: unknown;
  readonly errorType?: unknown;
  readonly error?: unknown;
  readonly warnings?: unknown;
  readonly data?: { readonly resultType?: unknown; readonly result?: unknown };
}

function vectorOf(who: string, answer: { readonly status: number; readonly text: string }) {
  const body = parsed(answer.text);
  if (body?.status === 'error') {
    const text = `${who} refused the query: ${String(body.errorType)}: ${String(body.error)}`;
    throw new FleetError(refusalOf(who, answer)?.code ?? 'INVALID_ARGUMENT', text);
  }
  const refusal = refusalOf(who, answer);
  if (refusal) throw refusal;
  const { resultType, result } = body?.data ?? {};
  const warnings = Array.isArray(body?.warnings) ? body.warnings.map(String) : [];
  if (resultType === 'scalar') return { samples: [sampleOf({}, result)], warnings };
  if (resultType === 'vector' && Array.isArray(result)) {
    const samples = result.map((each: { metric?: Record<string, string>; value?: unknown }) =>
      sampleOf(each?.metric ?? {}, each?.value),
    );
    return { samples, warnings };
  }
  const what = resultType === undefined ? 'something else than an answer to a query' : `a ${String(resultType)}`;
  throw new FleetError(
    'BAD_RESPONSE',
    `${who} answered with ${what}; ask for an instant vector, or look whether it is Prometheus`,
  );
}

function sampleOf(labels: Readonly<Record<string, string>>, pair: unknown): PromSample {
  const [seconds, text] = Array.isArray(pair) ? (pair as unknown[]) : [];
  return { labels, value: numberOf(text), at: Number(seconds) * 1_000 };
}

/** As Prometheus writes them, infinities as `+Inf` and `-Inf`; whatever else is no number is none, and not 0. */
function numberOf(text: unknown): number {
  if (text === '+Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return typeof text === 'string' && text.trim() !== '' ? Number(text) : NaN;
}

function parsed(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}
