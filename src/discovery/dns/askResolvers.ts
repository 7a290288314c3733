/** A question to several resolvers, one after another, until one of them knows. */

import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  map,
  mergeMap,
  Observable,
  of,
  range,
  take,
  throwError,
  throwIfEmpty,
  timeout,
  type SchedulerLike,
} from 'rxjs';
import { formatAddress, type Address } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import type { Exchange } from './exchange.js';
import { recordsOf, sameName, type DnsRecord, type Message, type Question } from './record.js';

export interface AskResolversOptions {
  readonly resolvers: readonly Address[];
  readonly exchange: Exchange;
  /** How long one resolver has to answer, in milliseconds. */
  readonly timeoutMs: number;
  /** How often all of them are gone through. */
  readonly rounds: number;
  readonly scheduler: SchedulerLike;
}

/** What is known about a name: the records of the type that was asked for, or that there are none. */
export interface Answer {
  /** Empty when the authority says so. */
  readonly records: readonly DnsRecord[];
  /** What the server added by itself. */
  readonly additionals: readonly DnsRecord[];
  /** Seconds. For none at all, the life of that by the SOA record (RFC 2308, 5). */
  readonly ttl: number;
}

/** Most aliases that are followed for one name. */
const aliasLimit = 8;

/**
 * The question as a function. The resolver that last answered is asked first; a refusal, an error, silence or an answer
 * that says nothing passes the question on to the next.
 *
 * An answer without records counts only with the SOA record of a zone above the name, or from a server that has the
 * zone itself. So an empty fleet is what its authority says, never what a broken resolver makes of it.
 *
 * Errors with `UNAVAILABLE`, naming each resolver and what it said.
 */
export function askResolvers(options: AskResolversOptions): (question: Question) => Observable<Answer> {
  const { resolvers, exchange, timeoutMs, rounds, scheduler } = options;
  let first = 0;

  const one = (server: Address, question: Question): Observable<Answer | string> => {
    const late = () => throwError(() => new FleetError('DEADLINE_EXCEEDED', `no answer within ${timeoutMs} ms`));
    return exchange(server, question).pipe(
      timeout({ first: timeoutMs, scheduler, with: late }),
      map((message) => judged(message, question)),
    );
  };
  const all = (question: Question, aliases = 0): Observable<Answer> =>
    defer(() => {
      const start = first;
      const failures: string[] = [];
      return range(0, rounds * resolvers.length).pipe(
        concatMap((turn) => {
          const at = (start + turn) % resolvers.length;
          const server = resolvers[at]!;
          return one(server, question).pipe(
            map((answer) => {
              first = at;
              return answer;
            }),
            catchError((error: unknown) => {
              failures.push(told(server, error));
              return EMPTY;
            }),
          );
        }),
        take(1),
        mergeMap((answer) => {
          if (typeof answer !== 'string') return of(answer);
          if (aliases < aliasLimit) return all({ ...question, name: answer }, aliases + 1);
          return throwError(
            () => new FleetError('UNAVAILABLE', `more than ${aliasLimit} aliases behind ${question.name}`),
          );
        }),
        throwIfEmpty(() => failed(question, failures)),
      );
    });
  return all;
}

/** The records that answer the question, through the aliases in the message; or the alias that is to be asked for. */
function judged(message: Message, question: Question): Answer | string {
  const { rcode, answers, authorities, additionals, authoritative } = message;
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') throw new FleetError('UNAVAILABLE', `it answered ${rcode}`);
  let { name } = question;
  let ttl = Infinity;
  for (let hops = 0; hops <= aliasLimit; hops++) {
    const records = recordsOf(answers, name, question.type);
    if (records.length > 0) return { records, additionals, ttl: Math.min(ttl, ...records.map((record) => record.ttl)) };
    const [alias] = recordsOf(answers, name, 'CNAME');
    if (!alias) break;
    ttl = Math.min(ttl, alias.ttl);
    name = alias.target;
  }
  const soa = authorities.find((record) => record.type === 'SOA' && isUnder(name, record.name));
  if (soa?.type === 'SOA') return { records: [], additionals: [], ttl: Math.min(ttl, soa.ttl, soa.minimum) };
  if (!sameName(name, question.name) && rcode === 'NOERROR') return name;
  if (authoritative) return { records: [], additionals: [], ttl: 0 };
  throw new FleetError(
    'UNAVAILABLE',
    `it answered ${rcode} without records, and without the SOA record that would confirm it`,
  );
}

function isUnder(name: string, zone: string): boolean {
  return zone === '' || zone === '.' || sameName(name, zone) || name.toLowerCase().endsWith(`.${zone.toLowerCase()}`);
}

function told(server: Address, error: unknown): string {
  const at = formatAddress(server);
  const { message } = FleetError.from(error);
  return message.startsWith(at) ? message : `${at}: ${message}`;
}

function failed({ name, type }: Question, failures: readonly string[]): FleetError {
  const said = [...new Set(failures)].join('; ');
  return new FleetError(
    'UNAVAILABLE',
    `dns: no resolver answers for ${type} ${name}: ${said}; check the resolvers and the name`,
  );
}
