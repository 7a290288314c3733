/** The contract of a transport, as a suite: each case runs against a real server that the suite starts itself. */

import { deepStrictEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import type { Channel, ConnectivityState, Transport } from '../core/channel.js';
import { grpcStatusNames } from '../core/errorCodes.js';
import { methodOf } from '../core/method.js';
import { createNode } from '../core/node.js';
import { Greeter } from '../gen/demo/greeter_pb.js';
import type { TransportOptions } from '../transport/transportOptions.js';
import { runnerOf, type Runner } from './runner.js';
import { createTestCertificates } from './testCertificates.js';
import {
  bytes,
  RecordedCall,
  startTestNode,
  until,
  chat,
  drained,
  freeAddress,
  hello,
  lotsOfGreetings,
  lotsOfReplies,
  reached,
  sayHello,
  settled,
  sockets,
  stream,
  World,
} from './testTransport/world.js';

/** What a protocol may be unable to do. */
export type TransportFeature =
  /** Requests and answers at the same time. */
  | 'bidiStreaming'
  /** Noticing a GOAWAY, and ending running calls after it. */
  | 'goodbye';

export interface TestTransportOptions {
  /** Default: the global `describe` and `it`. */
  readonly runner?: Runner;
  /** What this transport cannot do, by nature of its protocol. Each such case is listed with the reason, never passed over. */
  readonly lacks?: readonly TransportFeature[];
}

/**
 * Runs the contract of `Transport` against what `make` returns for the options of each case.
 *
 *     testTransport('grpc', (options) => grpcTransport(options));
 *
 * Needs nothing but loopback: the server is grpc-js, the certificates are made on the spot.
 */
export function testTransport(
  name: string,
  make: (options: TransportOptions) => Transport,
  options: TestTransportOptions = {},
): void {
  const { describe, it } = runnerOf(options.runner);
  const lacks = new Set(options.lacks);

  /** A case with its own server and whatever channels it opens; both are gone afterwards. */
  const test = (title: string, body: (world: World) => Promise<void>, needs?: TransportFeature) => {
    if (needs && lacks.has(needs)) return void it(`${title} (not by this protocol: ${needs})`, () => undefined);
    it(title, async () => {
      const world = await World.start(make);
      try {
        await body(world);
      } finally {
        world.end();
      }
    });
  };

  describe(`transport ${name}`, () => {
    test('a unary call gives its one answer, then OK', async ({ channel }) => {
      const call = hello(channel, { name: 'Ada', payload: bytes });
      const status = await call.ended;
      equal(status.code, 'OK', status.message);
      equal(call.messages[0]?.message, 'hello Ada');
      deepStrictEqual(Uint8Array.from(call.messages[0]!.payload), bytes);
      ok(!call.synchronous, 'the sink was called within start()');
      deepStrictEqual(call.afterEnd, []);
    });

    test('a thousand calls at once each get their own answer', async ({ channel }) => {
      const calls = Array.from({ length: 1_000 }, (_, i) => hello(channel, { name: `n${i}` }));
      await Promise.all(calls.map(({ ended }) => ended));
      deepStrictEqual(
        calls.map(({ messages }) => messages[0]?.message),
        calls.map((_, i) => `hello n${i}`),
      );
    });

    test('a server stream comes in order and complete', async ({ channel }) => {
      const call = stream(channel, { name: 'Ada', replies: 500 });
      equal((await call.ended).code, 'OK', call.status?.message);
      deepStrictEqual(
        call.messages.map(({ seq }) => seq),
        [...Array(500).keys()],
      );
    });

    test('a client stream arrives complete', async ({ channel }) => {
      const call = new RecordedCall(channel, lotsOfGreetings);
      call.call.request(1);
      for (let i = 0; i < 500; i++) call.call.send(lotsOfGreetings.message({ name: `n${i}` }));
      call.call.halfClose();
      equal((await call.ended).code, 'OK', call.status?.message);
      equal(call.messages[0]?.seq, 500);
    });

    test(
      'a chat goes both ways at once',
      async ({ channel }) => {
        const call = new RecordedCall(channel, chat);
        call.call.request(Infinity);
        for (let i = 1; i <= 5; i++) {
          call.call.send(chat.message({ text: `${i}` }));
          await call.received(i);
        }
        call.call.halfClose();
        equal((await call.ended).code, 'OK', call.status?.message);
        deepStrictEqual(
          call.messages.map(({ text }) => text),
          ['1', '2', '3', '4', '5'],
        );
      },
      'bidiStreaming',
    );

    test('metadata goes out, headers and trailers come back, bytes in those that end in -bin', async ({ channel }) => {
      const metadata = { 'x-text': 'a b', 'x-data-bin': bytes, 'x-many': ['one', 'two'] };
      const call = hello(channel, { name: 'metadata' }, { metadata });
      const { code, trailers, message } = await call.ended;
      equal(code, 'OK', message);
      const { headersSeen: headers } = call;
      equal(headers?.['x-text'], 'a b');
      deepStrictEqual(Uint8Array.from(headers?.['x-data-bin'] as Uint8Array), bytes);
      deepStrictEqual([headers?.['x-many']].flat().join().replace(/\s/g, ''), 'one,two');
      equal(trailers['x-trailer'], 'last');
      deepStrictEqual(Uint8Array.from(trailers['x-trailer-bin'] as Uint8Array), bytes);
    });

    test('each status comes by its name, with its message and trailers', async ({ channel }) => {
      for (let code = 2; code < grpcStatusNames.length; code++) {
        const status = await hello(channel, { name: `fail:${code}:because ünd so` }).ended;
        equal(status.code, grpcStatusNames[code]);
        match(status.message, /because ünd so/);
        equal(status.trailers['x-why'], 'asked to');
        ok(status.sent);
      }
    });

    test('CANCELLED by the node is UNAVAILABLE here, since nobody here cancelled', async ({ channel }) => {
      const status = await hello(channel, { name: 'fail:1:going down' }).ended;
      equal(status.code, 'UNAVAILABLE');
      match(status.message, /cancelled the call.*going down/);
    });

    test('a method that the node does not know is UNIMPLEMENTED', async ({ channel }) => {
      const call = new RecordedCall(channel, methodOf(Greeter.method.count));
      call.call.request(1);
      call.call.send(sayHello.message({}));
      call.call.halfClose();
      equal((await call.ended).code, 'UNIMPLEMENTED');
    });

    test('the deadline is on the wire and ends the call', async ({ channel }) => {
      const asked = hello(channel, { name: 'deadline' }, { deadline: Date.now() + 5_000 });
      await asked.ended;
      const left = Number(asked.messages[0]?.message);
      ok(left > 3_000 && left <= 5_100, `the node saw ${left} ms left of 5,000`);
      const startedAt = Date.now();
      const hung = hello(channel, { name: 'hang' }, { deadline: startedAt + 150 });
      equal((await hung.ended).code, 'DEADLINE_EXCEEDED');
      const took = Date.now() - startedAt;
      ok(took >= 140 && took < 2_000, `ended after ${took} ms`);
    });

    test('a deadline holds while connecting, too', async ({ open, blackHole }) => {
      const channel = open([(await blackHole()).address], { connectDeadlineMs: 5_000 });
      const status = await hello(channel, {}, { deadline: Date.now() + 100 }).ended;
      equal(status.code, 'DEADLINE_EXCEEDED');
      ok(!status.sent);
    });

    test('cancel reaches the node at once, and nothing follows it here', async ({ channel, node }) => {
      const call = stream(channel, { name: 'hang', replies: 3 });
      await call.received(3);
      call.call.cancel();
      call.call.cancel();
      await until(() => node.cancelled === 1, 'the node sees the cancel', 1_000);
      equal(call.status, undefined);
    });

    test('a call that is cancelled before there is a connection never reaches the node', async ({ channel, node }) => {
      const call = hello(channel, { name: 'hang' });
      call.call.cancel();
      equal((await hello(channel, { name: 'Ada' }).ended).code, 'OK');
      equal(node.hanging, 0);
      equal(call.status, undefined);
    });

    test('without credit nothing comes, and the node is held back', async ({ channel, node }) => {
      const total = 200;
      const call = new RecordedCall(channel, lotsOfReplies);
      call.call.send(lotsOfReplies.message({ name: 'firehose', replies: total }));
      call.call.halfClose();
      call.call.request(2);
      await call.received(2);
      await settled(() => node.poured);
      equal(call.messages.length, 2);
      ok(node.poured < total / 2, `the node wrote ${node.poured} of ${total} messages of 64 KiB unread`);
      call.call.request(1);
      await call.received(3);
      call.call.request(Infinity);
      equal((await call.ended).code, 'OK', call.status?.message);
      deepStrictEqual(
        call.messages.map(({ seq }) => seq),
        [...Array(total).keys()],
      );
    });

    test('a stream of no messages ends without any credit', async ({ channel }) => {
      const call = new RecordedCall(channel, lotsOfReplies);
      call.call.send(lotsOfReplies.message({ replies: 0 }));
      call.call.halfClose();
      equal((await call.ended).code, 'OK', call.status?.message);
    });

    test(
      'a node that does not read makes send() say false, and drain comes when it reads',
      async ({ channel, node }) => {
        const call = new RecordedCall(channel, chat);
        call.call.request(Infinity);
        call.call.send(chat.message({ text: 'wait' }));
        await call.received(1);
        const text = 'x'.repeat(64 * 1024);
        let sent = 1;
        // Goes on while the wire takes it: a `true`, or a drain after a `false`.
        let writable = true;
        while (writable && sent < 1_000) {
          const drains = call.drains;
          writable = call.call.send(chat.message({ text }));
          sent++;
          if (!writable) writable = await drained(call, drains);
        }
        ok(sent < 1_000, 'send() never said that the wire is full');
        const drains = call.drains;
        node.listen();
        await until(() => call.drains > drains, 'drain comes');
        call.call.halfClose();
        equal((await call.ended).code, 'OK', call.status?.message);
        equal(call.messages.length, sent);
      },
      'bidiStreaming',
    );

    test('messages of 15 MiB pass by default, larger ones end as RESOURCE_EXHAUSTED', async ({ channel }) => {
      const MiB = 1024 * 1024;
      const large = hello(channel, { name: 'size', replies: 15 * MiB });
      equal((await large.ended).code, 'OK', large.status?.message);
      equal(large.messages[0]?.payload.length, 15 * MiB);
      const request = hello(channel, { name: 'Ada', payload: new Uint8Array(15 * MiB) });
      equal((await request.ended).code, 'OK', request.status?.message);
      equal((await hello(channel, { name: 'size', replies: 17 * MiB }).ended).code, 'RESOURCE_EXHAUSTED');
      equal((await hello(channel, { name: 'Ada' }).ended).code, 'OK');
    });

    test('the limits of message sizes are options', async ({ open, node }) => {
      const channel = open([node.address], { maxReceiveBytes: 1_000, maxSendBytes: 1_000 });
      equal((await hello(channel, { name: 'size', replies: 2_000 }).ended).code, 'RESOURCE_EXHAUSTED');
      const status = await hello(channel, { payload: new Uint8Array(2_000) }).ended;
      equal(status.code, 'RESOURCE_EXHAUSTED', status.message);
      ok(!status.sent, 'a message that is too long to send was not sent');
    });

    test('what came before an error is handed out before it', async ({ channel }) => {
      const call = stream(channel, { name: 'fail', replies: 0 });
      equal((await call.ended).code, 'ABORTED', call.status?.message);
      match(call.status!.message, /broke off/);
    });

    test('a node killed in mid-stream is UNAVAILABLE, and may have seen the call', async ({ channel, node }) => {
      const call = stream(channel, { name: 'hang', replies: 3 });
      await call.received(3);
      node.kill();
      const status = await call.ended;
      equal(status.code, 'UNAVAILABLE', status.message);
      ok(status.sent);
      notEqual(status.message, '');
    });

    test('a call that the node refuses unprocessed was surely not sent', async ({ open }) => {
      const refusing = http2.createServer().on('stream', (stream) => {
        stream.on('error', () => undefined).close(http2.constants.NGHTTP2_REFUSED_STREAM);
      });
      refusing.listen(0, '127.0.0.1');
      await once(refusing, 'listening');
      const channel = open([`127.0.0.1:${(refusing.address() as net.AddressInfo).port}`]);
      const status = await hello(channel, {}).ended;
      equal(status.code, 'UNAVAILABLE', status.message);
      ok(!status.sent, status.message);
      channel.close();
      refusing.close();
    });

    test('a refused connection is UNAVAILABLE, says where, and surely not sent', async ({ open }) => {
      const address = await freeAddress();
      const channel = open([address]);
      const call = hello(channel, {});
      const status = await call.ended;
      equal(status.code, 'UNAVAILABLE');
      ok(!status.sent);
      ok(!call.synchronous);
      ok(status.message.includes(address) && /ECONNREFUSED/.test(status.message), status.message);
      equal(channel.state, 'TRANSIENT_FAILURE');
      ok(channel.lastError?.includes(address));
      const next = hello(channel, {});
      equal((await next.ended).code, 'UNAVAILABLE', 'while dialling fails, calls fail at once');
      ok(!next.synchronous && !next.status!.sent);
    });

    test('a node that accepts and never speaks counts as failed past the connect deadline', async (world) => {
      const { address } = await world.blackHole();
      const channel = world.open([address], { connectDeadlineMs: 200 });
      const startedAt = Date.now();
      const status = await hello(channel, {}).ended;
      const took = Date.now() - startedAt;
      equal(status.code, 'UNAVAILABLE');
      ok(!status.sent);
      match(status.message, /200 ms/);
      ok(took >= 190 && took < 2_000, `after ${took} ms`);
      equal(channel.state, 'TRANSIENT_FAILURE');
    });

    test('a connection that failed is dialled again by itself, and connect() does not wait', async ({ open }) => {
      const address = await freeAddress();
      const channel = open([address], { initialReconnectMs: 60_000 });
      channel.connect();
      await reached(channel, 'TRANSIENT_FAILURE');
      const node = await startTestNode({ port: Number(address.split(':')[1]) });
      try {
        channel.connect();
        await reached(channel, 'READY');
        equal(channel.lastError, undefined);
        equal((await hello(channel, { name: 'Ada' }).ended).code, 'OK');
      } finally {
        node.kill();
      }
    });

    test('backoff leads to another dial without being asked', async ({ open }) => {
      const address = await freeAddress();
      const channel = open([address], { initialReconnectMs: 50, maxReconnectMs: 50 });
      channel.connect();
      await reached(channel, 'TRANSIENT_FAILURE');
      const node = await startTestNode({ port: Number(address.split(':')[1]) });
      try {
        await reached(channel, 'READY');
      } finally {
        node.kill();
      }
    });

    test('of several addresses a dead first one costs little', async ({ open, node, blackHole }) => {
      const refused = open([await freeAddress(), node.address]);
      equal((await hello(refused, { name: 'Ada' }).ended).code, 'OK');
      const startedAt = Date.now();
      const silent = open([(await blackHole()).address, node.address], { connectDeadlineMs: 5_000 });
      equal((await hello(silent, { name: 'Ada' }).ended).code, 'OK');
      const took = Date.now() - startedAt;
      ok(took < 1_500, `the second address was tried after ${took} ms`);
      const all = open([await freeAddress(), await freeAddress()]);
      match((await hello(all, {}).ended).message, /none of 2 addresses/);
    });

    test('the state goes IDLE, CONNECTING, READY, and SHUTDOWN at the end', async ({ open, node }) => {
      const channel = open([node.address]);
      const states: ConnectivityState[] = [];
      let completed = false;
      channel.state$.subscribe({ next: (state) => states.push(state), complete: () => (completed = true) });
      equal(node.connections, 0, 'nothing is opened before it is asked for');
      channel.connect();
      await reached(channel, 'READY');
      node.kill();
      await reached(channel, 'IDLE');
      channel.close();
      channel.close();
      deepStrictEqual(states, ['IDLE', 'CONNECTING', 'READY', 'IDLE', 'SHUTDOWN']);
      ok(completed);
      equal(channel.state, 'SHUTDOWN');
    });

    test(
      'a node that says goodbye lets running calls end, and gets no new ones',
      async ({ channel, node }) => {
        const call = hello(channel, { name: 'later' });
        await until(() => node.hanging === 1, 'the call arrives');
        const closed = node.close();
        await reached(channel, 'IDLE');
        node.answer();
        equal((await call.ended).code, 'OK', call.status?.message);
        equal(call.messages[0]?.message, 'late');
        await closed;
        const next = await hello(channel, {}).ended;
        equal(next.code, 'UNAVAILABLE');
        ok(!next.sent);
      },
      'goodbye',
    );

    test('close() ends calls in flight as UNAVAILABLE and leaves no socket', async ({ open, node, blackHole }) => {
      const before = sockets();
      const channel = open([node.address]);
      const running = hello(channel, { name: 'hang' });
      await until(() => node.hanging === 1, 'the call arrives');
      const silent = await blackHole();
      const connecting = open([silent.address]);
      const waiting = hello(connecting, {});
      await silent.connected;
      channel.close();
      connecting.close();
      for (const { ended } of [running, waiting]) {
        const status = await ended;
        equal(status.code, 'UNAVAILABLE');
        match(status.message, /closed/);
      }
      await until(() => node.connections === 0 && silent.connections() === 0, 'both servers see their client go');
      await until(() => sockets() <= before, 'no socket is left');
      const late = hello(channel, {});
      const status = await late.ended;
      equal(status.code, 'UNAVAILABLE');
      ok(!status.sent && !late.synchronous);
    });

    describe('with TLS', () => {
      const { authority, node: own, client, stranger } = createTestCertificates();
      const ca = authority.cert;
      const secure = (
        title: string,
        options: TransportOptions,
        check: (channel: Channel) => Promise<void>,
        mutual = false,
      ) =>
        it(title, async () => {
          const node = await startTestNode({ tls: { ...own, ...(mutual ? { clientCa: ca } : {}) } });
          const channel = make(options).open(createNode({ address: node.address }));
          try {
            await check(channel);
          } finally {
            channel.close();
            node.kill();
          }
        });
      const works = async (channel: Channel) => {
        const call = hello(channel, { name: 'Ada' });
        equal((await call.ended).code, 'OK', call.status?.message);
      };
      const refused = (why: RegExp) => async (channel: Channel) => {
        const status = await hello(channel, { name: 'Ada' }).ended;
        equal(status.code, 'UNAVAILABLE');
        match(status.message, why);
        ok(!status.sent);
      };
      secure('a node signed by the authority given is trusted', { tls: { ca } }, works);
      secure('a name can be asked for that is not the address', { tls: { ca, serverName: 'node.test' } }, works);
      secure(
        'a certificate for another name is refused, and says so',
        { tls: { ca, serverName: 'other.test' } },
        refused(/TLS.*other\.test/s),
      );
      secure(
        'a node signed by a stranger is refused, and says so',
        { tls: { ca: stranger.cert } },
        refused(/TLS.*certificate/s),
      );
      secure('without verification any node is taken', { tls: { rejectUnauthorized: false } }, works);
      secure('a plain-text client is refused', {}, refused(/cannot connect/));
      secure('mutual TLS shows our certificate', { tls: { ca, ...client } }, works, true);
      secure(
        'a node that asks for a certificate refuses a client without',
        { tls: { ca } },
        refused(/cannot connect/),
        true,
      );
      const other = { cert: stranger.cert, key: stranger.key };
      secure(
        'a node refuses a client certificate of a stranger',
        { tls: { ca, ...other } },
        refused(/cannot connect/),
        true,
      );
    });
  });
}
