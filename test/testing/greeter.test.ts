/** The Greeter of the tests, driven by a bare grpc-js client: what it counts must be what the wire saw. */

import { fromBinary, toBinary, create, type DescMethod } from '@bufbuild/protobuf';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { createTestCertificates } from '../../src/testing/testCertificates.js';
import { startGreeter, type Greeter as GreeterNode, type GreeterFaults } from '../support/greeter.js';

let greeter: GreeterNode;
let client: Client;
const start = async (faults: GreeterFaults = {}) => {
  greeter = await startGreeter({ name: 'g', faults });
  client = new Client(greeter.address, credentials.createInsecure());
};
afterEach(async () => {
  client?.close();
  await greeter?.close(100);
});

type Init = Record<string, unknown>;

const codec = (method: DescMethod) => ({
  path: `/demo.Greeter/${method.name}`,
  write: (init: Init) => Buffer.from(toBinary(method.input, create(method.input, init))),
  read: (bytes: Buffer) => fromBinary(method.output, bytes) as never,
});
function sayHello(init: Init): Promise<{ message: string; payload: Uint8Array; node: string }> {
  const { path, write, read } = codec(Greeter.method.sayHello);
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(path, write, read, init, (error, reply) => (error ? reject(error) : resolve(reply!))),
  );
}
function replies(init: Init) {
  const { path, write, read } = codec(Greeter.method.lotsOfReplies);
  return client.makeServerStreamRequest<Init, { seq: number }>(path, write, read, init);
}

describe('the Greeter', () => {
  it('echoes name and payload, and says who answered', async () => {
    await start();
    const reply = await sayHello({ name: 'Ada', payload: new Uint8Array([1, 2]) });
    expect(reply).toMatchObject({ message: 'Hello, Ada', node: 'g' });
    expect([...reply.payload]).toEqual([1, 2]);
    expect(greeter.callsOf).toEqual({ SayHello: 1 });
  });

  it('streams as many replies as were asked for', async () => {
    await start();
    const seqs: number[] = [];
    for await (const { seq } of replies({ name: 'Ada', replies: 50 })) seqs.push(seq);
    expect(seqs).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('stops to write when the client stops to read, and sees the cancellation', async () => {
    await start();
    const stream = replies({ name: 'Ada', replies: 1_000, payload: new Uint8Array(64 * 1024) });
    stream.on('error', () => {});
    await new Promise((resolve) => stream.once('data', resolve));
    stream.pause();
    let before = -1;
    await vi.waitFor(
      () => {
        const { written } = greeter;
        const same = written === before;
        before = written;
        expect(same).toBe(true);
      },
      { interval: 100 },
    );
    expect(greeter.written).toBeLessThan(200);
    expect(greeter.active).toBe(1);
    stream.cancel();
    await vi.waitFor(() => expect(greeter).toMatchObject({ active: 0, cancelled: 1 }));
  });

  it('echoes a chat and joins greetings', async () => {
    await start();
    const chat = codec(Greeter.method.chat);
    const duplex = client.makeBidiStreamRequest<Init, { text: string }>(chat.path, chat.write, chat.read);
    const texts: string[] = [];
    duplex.on('data', ({ text }) => {
      texts.push(text);
      if (texts.length === 1) duplex.write({ text: 'b' });
      else duplex.end();
    });
    duplex.write({ text: 'a' });
    await new Promise((resolve) => duplex.once('end', resolve));
    expect(texts).toEqual(['a', 'b']);

    const greetings = codec(Greeter.method.lotsOfGreetings);
    const reply = await new Promise<{ message: string; seq: number }>((resolve, reject) => {
      const stream = client.makeClientStreamRequest<Init, { message: string; seq: number }>(
        greetings.path,
        greetings.write,
        greetings.read,
        (error, value) => (error ? reject(error) : resolve(value!)),
      );
      stream.write({ name: 'Ada' });
      stream.write({ name: 'Bob' });
      stream.end();
    });
    expect(reply).toMatchObject({ message: 'Hello, Ada, Bob', seq: 2 });
  });

  it('fails as told, only as often as told', async () => {
    await start({ failWith: 'UNAVAILABLE', failTimes: 1 });
    await expect(sayHello({ name: 'Ada' })).rejects.toMatchObject({ code: 14 });
    await expect(sayHello({ name: 'Ada' })).resolves.toMatchObject({ message: 'Hello, Ada' });
  });

  it('breaks the connection after the messages it was told to send', async () => {
    await start({ breakAfter: 3 });
    const seqs: number[] = [];
    const error = await new Promise<ServiceError>((resolve) =>
      replies({ name: 'Ada', replies: 10 })
        .on('data', ({ seq }: { seq: number }) => seqs.push(seq))
        .on('error', (thrown) => resolve(thrown as ServiceError)),
    );
    expect(seqs).toEqual([0, 1, 2]);
    expect(error.code).toBe(14);
  });

  it('speaks TLS, and wants a client certificate where it is told to', async () => {
    const { authority, node, client: own } = createTestCertificates();
    const bytes = (text: string) => Buffer.from(text);
    greeter = await startGreeter({ tls: { ...node, clientCa: authority.cert } });
    client = new Client(greeter.address, credentials.createSsl(bytes(authority.cert), bytes(own.key), bytes(own.cert)));
    await expect(sayHello({ name: 'Ada' })).resolves.toMatchObject({ message: 'Hello, Ada' });
    client.close();
    client = new Client(greeter.address, credentials.createSsl(bytes(authority.cert)));
    await expect(sayHello({ name: 'Ada' })).rejects.toMatchObject({ code: 14 });
  });

  it('leaves no connection behind, closed or killed, even with a call in flight', async () => {
    await start({ hang: true });
    const pending = sayHello({ name: 'Ada' });
    await vi.waitFor(() => expect(greeter.active).toBe(1));
    greeter.kill();
    await expect(pending).rejects.toMatchObject({ code: 14 });
    await vi.waitFor(() => expect(greeter).toMatchObject({ connections: 0, active: 0 }));
  });
});
