/** A search for instances on a network of virtual time: `h` in a diagram is a packet heard, times are RFC 6762's. */

import { map } from 'rxjs';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { fakeNetwork, records, says, search, whole, type FakeNetwork } from '../../../test/support/netnsFake.js';
import type { MdnsRecord, Packet } from '../../../src/discovery/mdns/packet.js';

const { ptr, srv, txt, a } = records;
const asked = 'PTR _lumen._tcp.local';

/** Plays a diagram of packets to the network. */
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

describe('mdns: what is found', () => {
  marble('says that there is nobody only when a second question went unanswered too', (m) => {
    const fake = fakeNetwork();
    m.expectObservable(search(fake, m.scheduler), '^ 4s !').toBe('1520ms n', { n: 'nobody' });
    m.expectObservable(fake.sent$, '^ 4s !').toBe('20ms q 999ms q 1999ms q', { q: asked });
  });

  marble('finds an instance that one packet tells all of, at once', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h', { h: whole('hub') });
    m.expectObservable(search(fake, m.scheduler), '^ 4s !').toBe('50ms f', { f: 'hub' });
  });

  marble('finds several, and emits no more when they are only heard again', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms a 9ms b 99ms a 99ms b', { a: whole('hub'), b: whole('py') });
    m.expectObservable(search(fake, m.scheduler), '^ 4s !').toBe('50ms a 9ms b', { a: 'hub', b: 'hub py' });
  });

  marble('puts records together from several packets, and asks for what is missing', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '100ms p 99ms s 99ms a', {
      p: says(ptr('hub')),
      s: says(srv('hub')),
      a: says(a('192.168.1.9'), txt('hub')),
    });
    m.expectObservable(search(fake, m.scheduler), '^ 900ms !').toBe('300ms f', { f: 'hub' });
    m.expectObservable(fake.sent$, '^ 900ms !').toBe('20ms q 99ms s 99ms h', {
      ...{ q: asked, s: 'SRV hub._lumen._tcp.local, TXT hub._lumen._tcp.local', h: 'A host.local, AAAA host.local' },
    });
  });

  marble('asks for what is missing ever less often, five times in all, and then says that nobody answers', (m) => {
    const fake = fakeNetwork();
    const events: string[] = [];
    const onEvent = ({ type, message }: { type: string; message: string }) =>
      void (type === 'skipped' && events.push(message));
    play(m, fake, '100ms p', { p: says(ptr('hub')) });
    const question$ = fake.sent$.pipe(map((text) => (text.startsWith('SRV') ? 's' : 'q')));
    m.expectObservable(search(fake, m.scheduler, { onEvent, maxQueryIntervalMs: 1e9 }), '^ 40s !').toBe('31520ms n', {
      n: 'nobody',
    });
    m.expectObservable(question$, '^ 40s !').toBe(
      '20ms q 99ms s 899ms q 99ms s 1899ms q 99ms s 3899ms q 99ms s 7899ms q 99ms s 15899ms q',
    );
    m.scheduler.schedule(
      () =>
        expect(events).toEqual([expect.stringContaining('nobody answers for SRV'), expect.stringContaining('for TXT')]),
      35_000,
    );
  });

  marble('tells the network what it knows, while that has at least half its life left', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h', { h: says(ptr('hub', 6), srv('hub'), txt('hub'), a('192.168.1.9')) });
    m.expectObservable(search(fake, m.scheduler), '^ 4500ms !').toBe('50ms f', { f: 'hub' });
    m.expectObservable(fake.sent$, '^ 4500ms !').toBe('20ms q 999ms r 1999ms s', {
      ...{
        q: asked,
        r: `${asked} knowing ${asked} hub._lumen._tcp.local 5`,
        s: `${asked} knowing ${asked} hub._lumen._tcp.local 3`,
      },
    });
  });
});

describe('mdns: addresses', () => {
  const six = (address: string): MdnsRecord => ({ type: 'AAAA', name: 'host.local', address, ttl: 120, flush: true });

  marble('holds a node with nothing but a link-local address back for a moment, for a better one to come', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms s 99ms f', {
      s: says(ptr('hub'), srv('hub'), txt('hub'), six('fe80::9')),
      f: says(a('192.168.1.9')),
    });
    m.expectObservable(search(fake, m.scheduler, { addresses: true }), '^ 5s !').toBe('150ms f', {
      f: 'hub@192.168.1.9+fe80::9%lan',
    });
  });

  marble('takes a link-local address, with its zone, when no better one comes', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms s', { s: says(ptr('hub'), srv('hub'), txt('hub'), six('fe80::9')) });
    m.expectObservable(search(fake, m.scheduler, { addresses: true }), '^ 5s !').toBe('550ms f', {
      f: 'hub@fe80::9%lan',
    });
    const asked$ = fake.sent$.pipe(map((text) => (text === 'A host.local' ? 'a' : 'q')));
    m.expectObservable(asked$, '^ 900ms !').toBe('20ms q 49ms a');
  });
});

describe('mdns: what goes', () => {
  marble('asks again at 80, 85, 90 and 95 % of a life, and lets go at its end', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '5s h', { h: says(ptr('hub'), srv('hub'), txt('hub'), a('192.168.1.9', 'host', 100)) });
    const refresh$ = fake.sent$.pipe(map((text) => (text === 'A host.local' ? 'r' : '.')));
    m.expectObservable(search(fake, m.scheduler), '^ 106s !').toBe('1520ms n 3479ms f 99999ms n', {
      n: 'nobody',
      f: 'hub',
    });
    // Within a quarter of a second, so that questions go out together.
    m.expectObservable(refresh$, '^ 100500ms !').toBe(
      '20ms . 999ms . 1999ms . 3999ms . 7999ms . 15999ms . 31999ms . 21979ms r 4999ms r 4999ms r 4999ms r',
    );
  });

  marble('keeps a node that answers the refresh, and emits nothing for it', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '5s h 99s h 99s h', { h: whole('hub', 120) });
    m.expectObservable(search(fake, m.scheduler), '^ 300s !').toBe('1520ms n 3479ms f', { n: 'nobody', f: 'hub' });
  });

  marble('lets a node go one second after its goodbye', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h 999ms g', { h: whole('hub'), g: whole('hub', 0) });
    m.expectObservable(search(fake, m.scheduler), '^ 5s !').toBe('50ms f 1999ms n', { f: 'hub', n: 'nobody' });
  });

  marble('keeps a node that speaks up within the second after its goodbye', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h 999ms g 499ms h', { h: whole('hub'), g: whole('hub', 0) });
    m.expectObservable(search(fake, m.scheduler), '^ 5s !').toBe('50ms f', { f: 'hub' });
  });

  marble('prefers the new address when the old is flushed, and forgets the old a second later', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h 4999ms c', { h: whole('hub'), c: says(a('192.168.1.77')) });
    m.expectObservable(search(fake, m.scheduler, { addresses: true }), '^ 9s !').toBe('50ms f 4999ms b 999ms c', {
      ...{ f: 'hub@192.168.1.9', b: 'hub@192.168.1.77+192.168.1.9', c: 'hub@192.168.1.77' },
    });
  });

  marble('keeps both addresses that are told within one second of each other', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h 499ms c', { h: whole('hub'), c: says(a('192.168.1.77')) });
    m.expectObservable(search(fake, m.scheduler, { addresses: true }), '^ 5s !').toBe('50ms f 499ms b', {
      ...{ f: 'hub@192.168.1.9', b: 'hub@192.168.1.77+192.168.1.9' },
    });
  });

  marble('asks twice for a node whose call failed, and lets it go after ten seconds of silence', (m) => {
    const fake = fakeNetwork();
    const reconfirm$ = m.cold('2s i', { i: 'hub' });
    play(m, fake, '50ms h', { h: whole('hub') });
    const ask = `${asked}, SRV hub._lumen._tcp.local, A host.local, AAAA host.local`;
    const asked$ = fake.sent$.pipe(map((text) => (text === ask ? 'r' : '.')));
    m.expectObservable(search(fake, m.scheduler, { reconfirm$ }), '^ 14s !').toBe('50ms f 11949ms n', {
      f: 'hub',
      n: 'nobody',
    });
    m.expectObservable(asked$, '^ 6s !').toBe('20ms . 999ms . 999ms r 999ms . 1499ms r');
  });

  marble('keeps a node whose call failed when it answers', (m) => {
    const fake = fakeNetwork();
    const reconfirm$ = m.cold('2s i', { i: 'hub' });
    m.expectSubscriptions(reconfirm$.subscriptions).toBe('^ 20s !');
    play(m, fake, '50ms h 2999ms h', { h: whole('hub') });
    m.expectObservable(search(fake, m.scheduler, { reconfirm$ }), '^ 20s !').toBe('50ms f', { f: 'hub' });
  });
});

describe('mdns: when the network goes', () => {
  marble('keeps the last set, marked stale, for as long as there is no interface', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h 2949ms o 996999ms i 4999ms h', {
      ...{ h: whole('hub'), o: () => fake.plug(false), i: () => fake.plug(true) },
    });
    m.expectObservable(search(fake, m.scheduler), '^ 1100s !').toBe('50ms f 3949ms s 995999ms f', {
      ...{ f: 'hub', s: 'hub, stale' },
    });
  });

  marble('opens a socket again that failed, and never errors for it', (m) => {
    const fake = fakeNetwork();
    play(m, fake, '50ms h 2949ms x', { h: whole('hub'), x: () => fake.fail(new Error('ENETUNREACH')) });
    m.expectObservable(search(fake, m.scheduler), '^ 9s !').toBe('50ms f 2949ms s 999ms f', {
      f: 'hub',
      s: 'hub, stale',
    });
  });

  marble('closes its socket when it is left', (m) => {
    const fake = fakeNetwork();
    m.expectObservable(search(fake, m.scheduler), '^ 5ms !').toBe('-');
    m.scheduler.schedule(() => expect(fake.open).toBe(1), 3);
    m.scheduler.schedule(() => expect(fake.open).toBe(0), 10);
  });
});
