/** `transport/grpc` holds the contract of transports, and a few promises of its own. */

import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { filter, firstValueFrom } from 'rxjs';
import { createNode } from '../../src/core/node.js';
import { methodOf, type Method } from '../../src/core/method.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { testTransport } from '../../src/testing/testTransport.js';
import { RecordedCall } from '../../src/testing/testTransport/recordedCall.js';
import { startTestNode, type TestNode } from '../../src/testing/testTransport/testNode.js';
import { grpcTransport } from '../../src/transport/grpc.js';

testTransport('grpc', (options) => grpcTransport(options));

describe('grpcTransport', () => {
  const sayHello = methodOf(Greeter.method.sayHello);
  const chat = methodOf(Greeter.method.chat);
  let node: TestNode;
  beforeAll(async () => {
    node = await startTestNode();
  });
  afterAll(() => node.kill());

  const run = async <I, O>(method: Method<I, O>, requests: readonly unknown[]) => {
    const channel = grpcTransport().open(createNode({ address: node.address }));
    const call = new RecordedCall(channel, method);
    call.call.request(Infinity);
    for (const request of requests) call.call.send(method.message(request));
    call.call.halfClose();
    const status = await call.ended;
    channel.close();
    return { status, call };
  };

  it('an answer that cannot be decoded is INTERNAL and names the method', async () => {
    const { status } = await run(
      {
        ...sayHello,
        decode: () => {
          throw new Error('not what was expected');
        },
      },
      [{ name: 'Ada' }],
    );
    expect(status).toMatchObject({ code: 'INTERNAL', sent: true });
    expect(status.message).toMatch(/\/demo\.Greeter\/SayHello.*not what was expected/);
  });

  it('a request that cannot be encoded is INTERNAL, names the method, and was not sent', async () => {
    const { status, call } = await run(
      {
        ...chat,
        encode: () => {
          throw new Error('no such field');
        },
      },
      [{ text: 'a' }],
    );
    expect(status).toMatchObject({ code: 'INTERNAL', sent: false });
    expect(status.message).toMatch(/\/demo\.Greeter\/Chat.*no such field/);
    expect(call.synchronous).toBe(false);
  });

  it('metadata that HTTP/2 cannot carry ends the call with a reason, not the program', async () => {
    const channel = grpcTransport().open(createNode({ address: node.address }));
    const call = new RecordedCall(channel, sayHello, { metadata: { 'x-name': 'line\nbreak' } });
    expect(await call.ended).toMatchObject({ code: 'INTERNAL', sent: false });
    expect(call.status!.message).toMatch(/metadata of \/demo\.Greeter\/SayHello/);
    channel.close();
  });

  it('messages sent before there is a connection all arrive, in order', async () => {
    const texts = Array.from({ length: 100 }, (_, i) => `${i}`);
    const { status, call } = await run(
      chat,
      texts.map((text) => ({ text })),
    );
    expect(status.code).toBe('OK');
    expect(call.messages.map(({ text }) => text)).toEqual(texts);
  });

  it('tells how many bytes of requests went over the wire, for the metrics', async () => {
    // A tag, a length and three bytes each.
    expect((await run(sayHello, [{ name: 'Ada' }])).status.sentBytes).toBe(5);
    expect((await run(chat, [{ text: 'one' }, { text: 'two' }])).status.sentBytes).toBe(10);
  });

  it('a node on IPv6 is reached', async () => {
    const server = http2.createServer();
    server.listen(0, '::1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    for (const host of ['::1', '::1%lo']) {
      const channel = grpcTransport().open(createNode({ address: { host, port } }));
      channel.connect();
      await firstValueFrom(channel.state$.pipe(filter((state) => state === 'READY')));
      channel.close();
    }
    server.close();
  });

  it('a host name is resolved', async () => {
    const channel = grpcTransport().open(createNode({ address: { host: 'localhost', port: node.port } }));
    const call = new RecordedCall(channel, sayHello);
    call.call.request(1);
    call.call.send(sayHello.message({ name: 'Ada' }));
    call.call.halfClose();
    expect(await call.ended).toMatchObject({ code: 'OK' });
    channel.close();
  });

  it('senseless options are refused by name', () => {
    for (const options of [
      { connectDeadlineMs: 0 },
      { keepaliveMs: -1 },
      { maxReceiveBytes: 0 },
      { reconnectMultiplier: 0.5 },
      { reconnectJitter: 2 },
      { userAgent: 'line\nbreak' },
      { tls: { cert: 'alone' } },
      { tls: { ca: '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----' } },
    ]) {
      const name = Object.keys(options)[0]!;
      expect(() => grpcTransport(options), name).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
      expect(() => grpcTransport(options)).toThrow(name);
    }
  });
});
