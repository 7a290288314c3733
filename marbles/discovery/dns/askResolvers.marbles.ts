/** A question to several resolvers: each has a diagram of its own, `g` is an answer, `e` that there is none. */

import { catchError, concat, map, of } from 'rxjs';
import { parseAddress } from '../../../src/core/address.js';
import type { FleetError } from '../../../src/core/fleetError.js';
import { askResolvers } from '../../../src/discovery/dns/askResolvers.js';
import type { DnsRecord, Message } from '../../../src/discovery/dns/record.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

const name = '_web._tcp.fleet.test';
const srv: DnsRecord = { name, ttl: 30, type: 'SRV', target: 'w1.fleet.test', port: 80, priority: 0, weight: 1 };
const soa: DnsRecord = { name: 'fleet.test', ttl: 60, type: 'SOA', minimum: 5 };
const nothing = {
  id: 1,
  isResponse: true,
  truncated: false,
  authoritative: false,
  rcode: 'NOERROR',
  question: undefined,
};
const message = (more: Partial<Message>): Message => ({
  ...nothing,
  answers: [],
  authorities: [],
  additionals: [],
  ...more,
});
const letters: Record<string, Message> = {
  g: message({ answers: [srv] }),
  e: message({ rcode: 'NXDOMAIN', authorities: [soa] }),
  x: message({ rcode: 'NXDOMAIN' }),
  f: message({ rcode: 'SERVFAIL' }),
};

/** Two resolvers, of which each query takes the next diagram; says the life of the answer in seconds. */
function ask(m: MarbleHelpers, diagrams: readonly (readonly string[])[], rounds = 1) {
  const asked: number[] = [];
  const resolvers = diagrams.map((_, index) => parseAddress(`10.0.0.${index + 1}:53`));
  const left = diagrams.map((each) => [...each]);
  const question = askResolvers({
    ...{ resolvers, timeoutMs: 5, rounds, scheduler: m.scheduler },
    exchange: (server) => {
      const index = resolvers.indexOf(server);
      asked.push(index + 1);
      return m.cold(left[index]!.shift() ?? '-', letters);
    },
  });
  const once = () => question({ name, type: 'SRV' }).pipe(map(({ records, ttl }) => `${records.length} for ${ttl} s`));
  return { once, asked };
}

const values = { g: '1 for 30 s', e: '0 for 5 s' };

describe('askResolvers', () => {
  marble('takes the answer of the first that knows, and asks no other', (m) => {
    const { once, asked } = ask(m, [['--(g|)'], ['(g|)']]);
    m.expectObservable(once()).toBe('--(g|)', values);
    m.flush();
    expect(asked).toEqual([1]);
  });

  marble('takes it that there is none, for as long as the SOA record says', (m) => {
    const { once } = ask(m, [['--(e|)'], ['(g|)']]);
    m.expectObservable(once()).toBe('--(e|)', values);
  });

  marble('passes silence on to the next when the time is up', (m) => {
    const { once } = ask(m, [['-'], ['-(g|)']]);
    m.expectObservable(once()).toBe('------(g|)', values);
  });

  marble('passes a failure on at once, and an unconfirmed "none" too', (m) => {
    const { once, asked } = ask(m, [['-(f|)'], ['-(x|)'], ['-#'], ['-(g|)']]);
    m.expectObservable(once()).toBe('----(g|)', values);
    m.flush();
    expect(asked).toEqual([1, 2, 3, 4]);
  });

  marble('asks the one that answered last first', (m) => {
    const { once, asked } = ask(m, [['-'], ['(g|)', '(g|)']]);
    m.expectObservable(concat(once(), once())).toBe('-----(gg|)', values);
    m.flush();
    expect(asked).toEqual([1, 2, 2]);
  });

  marble('goes through all of them as often as it is told, then errors, naming each and what it said', (m) => {
    const { once, asked } = ask(
      m,
      [
        ['-(f|)', '-(f|)'],
        ['-', '-(x|)'],
      ],
      2,
    );
    const told$ = once().pipe(catchError(({ code, message }: FleetError) => of(`${code} ${message}`)));
    m.expectObservable(
      told$.pipe(map((text) => /^UNAVAILABLE.*10\.0\.0\.1:53.*SERVFAIL.*10\.0\.0\.2:53.*5 ms/.test(text))),
    ).toBe('--------(t|)', { t: true });
    m.flush();
    expect(asked).toEqual([1, 2, 1, 2]);
  });

  marble('drops the query when nobody listens any more', (m) => {
    const held = m.cold<Message>('-');
    const question = askResolvers({
      ...{
        resolvers: [parseAddress('10.0.0.1:53')],
        exchange: () => held,
        timeoutMs: 50,
        rounds: 1,
        scheduler: m.scheduler,
      },
    });
    m.expectObservable(question({ name, type: 'SRV' }), '^--!').toBe('---');
    m.expectSubscriptions(held.subscriptions).toBe('^--!');
  });
});
