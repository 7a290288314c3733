/** The life of an announcement on a network of virtual time; times are those of RFC 6762. */

import { catchError, map, NEVER, of, type Observable } from 'rxjs';
import type { FleetError } from '../../../src/core/fleetError.js';
import { packetOf, type MdnsRecord, type Packet } from '../../../src/discovery/mdns/packet.js';
import { announce } from '../../../src/registration/mdns/announce.js';
import type { ServiceInstance } from '../../../src/registration/mdns/advertisement.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { fakeNetwork, records, says, type FakeNetwork } from '../../../test/support/netnsFake.js';

const { ptr, srv, txt } = records;
const instance: ServiceInstance = {
  ...{ service: 'lumen', name: 'hub', port: 5_001, host: 'host', addresses: ['192.168.1.2'], txt: { v: '1' } },
};

function announced(m: MarbleHelpers, fake: FakeNetwork, instance$: Observable<ServiceInstance> = of(instance)) {
  return announce(instance$, {
    ...{ network: fake.network, domain: 'local', hostTtlSeconds: 120, otherTtlSeconds: 4_500, probeIntervalMs: 250 },
    ...{ announceIntervalMs: 1_000, onEvent: undefined, scheduler: m.scheduler, random: () => 0 },
  }).pipe(map(({ state, name }) => `${state} ${name}`));
}

function play(
  m: MarbleHelpers,
  fake: FakeNetwork,
  diagram: string,
  packets: Record<string, Packet | (() => void)>,
): void {
  m.hot(diagram).subscribe((letter) => {
    const step = packets[letter]!;
    if (typeof step === 'function') step();
    else fake.hear(step);
  });
}

/** `p` a probe, `a` the whole announcement, `g` a goodbye, `r` an answer with the pointer, `s` one with the service only. */
const kind = (text: string): string => {
  if (text.includes(' claiming ')) return 'p';
  if (text.endsWith(' 0')) return 'g';
  if (text.includes('_services._dns-sd')) return 'a';
  return text.startsWith('says PTR') ? 'r' : 's';
};

const question = (type: 'PTR' | 'SRV', name: string, answers: readonly MdnsRecord[] = [], truncated = false): Packet =>
  packetOf('query', { questions: [{ type, name }], answers, truncated });
const who = '_lumen._tcp.local';

describe('advertise', () => {
  marble('probes three times, then announces twice, and is then heard no more', (m) => {
    const fake = fakeNetwork();
    m.expectObservable(announced(m, fake), '^ 9s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 8s !').toBe('p 249ms p 249ms p 249ms a 999ms a');
  });

  marble('says goodbye and closes its socket when it is left', (m) => {
    const fake = fakeNetwork();
    m.expectObservable(announced(m, fake), '^ 5s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 6s !').toBe('p 249ms p 249ms p 249ms a 999ms a 3250ms g');
    m.scheduler.schedule(() => expect(fake.open).toBe(0), 5_002);
  });

  marble('says no goodbye for what was never announced', (m) => {
    const fake = fakeNetwork();
    m.expectObservable(announced(m, fake), '^ 400ms !').toBe('p', { p: 'probing hub' });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 2s !').toBe('p 249ms p');
  });

  marble('takes the next name when the one that it wants is taken, and probes again', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '300ms t', { t: says(srv('hub', 'other')) });
    m.expectObservable(announced(m, fake), '^ 1500ms !').toBe('p 299ms r 749ms a', {
      ...{ p: 'probing hub', r: 'renamed hub (2)', a: 'announced hub (2)' },
    });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 1200ms !').toBe('p 249ms p 49ms p 249ms p 249ms p 249ms a');
  });

  marble('does not take what it said itself for a conflict', (m) => {
    const fake = fakeNetwork();
    const same = says(srv('hub', 'host'), txt('hub', 'v=1'));
    play(m, fake, '300ms t 2s t', { t: same });
    m.expectObservable(announced(m, fake), '^ 5s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
  });

  marble('waits a second when another probes for the name at the same time and wins', (m) => {
    const fake = fakeNetwork();
    const rival = packetOf('query', { authorities: [{ ...srv('hub', 'zzz', 120, 60_000) }, txt('hub', 'v=9')] });
    play(m, fake, '100ms t', { t: rival });
    m.expectObservable(announced(m, fake), '^ 3s !').toBe('p 1849ms a', { p: 'probing hub', a: 'announced hub' });
  });

  marble('goes on when another probes for the name at the same time and loses', (m) => {
    const fake = fakeNetwork();
    const rival = packetOf('query', { authorities: [{ ...srv('hub', 'aaa', 120, 1) }, txt('hub', 'v=0')] });
    play(m, fake, '100ms t', { t: rival });
    m.expectObservable(announced(m, fake), '^ 3s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
  });

  marble('probes again when somebody else announces its name, and gives way when that one insists', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '5s t 99ms t', { t: says(srv('hub', 'other')) });
    m.expectObservable(announced(m, fake), '^ 7s !').toBe('p 749ms a 4249ms p 99ms r 749ms b', {
      ...{ p: 'probing hub', a: 'announced hub', r: 'renamed hub (2)', b: 'announced hub (2)' },
    });
  });

  marble('answers a question that others may answer too after a little while, one of its own at once', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '5s q 1999ms s', { q: question('PTR', who), s: question('SRV', `HUB.${who}`) });
    m.expectObservable(announced(m, fake), '^ 9s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 8s !').toBe(
      'p 249ms p 249ms p 249ms a 999ms a 3269ms r 1979ms s',
    );
  });

  marble('is silent when the asker knows the answer, also when that comes in a second packet', (m) => {
    const fake = fakeNetwork();
    const more = packetOf('query', { answers: [ptr('hub')] });
    play(m, fake, '5s q 1999ms t 99ms k', {
      q: question('PTR', who, [ptr('hub')]),
      t: question('PTR', who, [], true),
      k: more,
    });
    m.expectObservable(announced(m, fake), '^ 9s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 8s !').toBe('p 249ms p 249ms p 249ms a 999ms a');
  });

  marble(
    'answers another machine alone when it asks so, and its own machine by multicast, where the port is shared',
    (m) => {
      const fake = fakeNetwork();
      const asks = packetOf('query', { questions: [{ type: 'PTR', name: who, unicast: true }] });
      play(m, fake, '5s q 1999ms o', {
        q: () => fake.hear(asks, { address: '192.168.1.9', port: 5_353 }),
        o: () => fake.hear(asks, { address: '192.168.1.2', port: 5_353 }),
      });
      m.expectObservable(announced(m, fake), '^ 9s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
      const to$ = fake.sent$.pipe(map((text) => (text.endsWith(' to 192.168.1.9:5353') ? 'u' : kind(text))));
      m.expectObservable(to$, '^ 8s !').toBe('p 249ms p 249ms p 249ms a 999ms a 3249ms u 2019ms r');
    },
  );

  marble('multicasts no record twice within a second', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '5s q 299ms q 99ms q', { q: question('PTR', who) });
    m.expectObservable(announced(m, fake), '^ 9s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 8s !').toBe('p 249ms p 249ms p 249ms a 999ms a 3269ms r 999ms r');
  });

  marble('defends its name at once against a probe', (m) => {
    const fake = fakeNetwork();
    const probe = packetOf('query', {
      questions: [{ type: 'ANY', name: `hub.${who}` }],
      authorities: [srv('hub', 'other')],
    });
    play(m, fake, '5s q', { q: probe });
    m.expectObservable(announced(m, fake), '^ 9s !').toBe('p 749ms a', { p: 'probing hub', a: 'announced hub' });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 8s !').toBe('p 249ms p 249ms p 249ms a 999ms a 3249ms s');
  });

  marble('announces new facts in the place of the old, and a new name after a goodbye to the old', (m) => {
    const fake = fakeNetwork();
    const instance$ = m.hot('i 4999ms t 4999ms n', {
      ...{ i: instance, t: { ...instance, txt: { v: '2' } }, n: { ...instance, name: 'other' } },
    });
    m.expectObservable(announced(m, fake, instance$), '^ 14s !').toBe('p 749ms a 4249ms a 4999ms q 749ms b', {
      ...{ p: 'probing hub', a: 'announced hub', q: 'probing other', b: 'announced other' },
    });
    m.expectObservable(fake.sent$.pipe(map(kind)), '^ 13s !').toBe(
      'p 249ms p 249ms p 249ms a 999ms a 3249ms a 999ms a 3999ms (gp) 246ms p 249ms p 249ms a 999ms a',
    );
  });

  marble('waits while there is no interface, and announces when one comes', (m) => {
    const fake = fakeNetwork();
    fake.plug(false);
    play(m, fake, '3s i', { i: () => fake.plug(true) });
    m.expectObservable(announced(m, fake), '^ 9s !').toBe('1s w 2999ms p 749ms a', {
      ...{ w: 'waiting hub', p: 'probing hub', a: 'announced hub' },
    });
  });

  marble('announces nothing before it is told what', (m) => {
    const fake = fakeNetwork();
    m.expectObservable(announced(m, fake, NEVER), '^ 9s !').toBe('-');
    m.expectObservable(fake.sent$, '^ 9s !').toBe('-');
  });

  marble('errors when its source errors, or says something senseless, and leaves no socket', (m) => {
    const fake = fakeNetwork();
    const broken$ = m.cold<ServiceInstance>('-#', {}, 'broken');
    m.expectObservable(announced(m, fake, broken$)).toBe('-#', {}, 'broken');
    const senseless$ = m.cold('-i', { i: { ...instance, port: 0 } });
    const code$ = announced(m, fake, senseless$).pipe(catchError((error: FleetError) => of(error.code)));
    m.expectObservable(code$).toBe('-(c|)', { c: 'INVALID_OPTION' });
    m.scheduler.schedule(() => expect(fake.open).toBe(0), 10);
  });
});
