/** Credentials on the wire: every shape of call against a real gRPC server. */

import { firstValueFrom, lastValueFrom, of, throwError, toArray, type Observable } from 'rxjs';
import { anyCredential } from '../../src/auth/anyCredential.js';
import { bearer } from '../../src/auth/bearer.js';
import { createCredentials, type Credentials } from '../../src/auth/createCredentials.js';
import { staticCredential } from '../../src/auth/staticCredential.js';
import { createClient, type Client } from '../../src/client/client.js';
import { createFleet, type Fleet } from '../../src/client/fleet.js';
import { FleetError } from '../../src/core/fleetError.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../support/greeter.js';

let server: Server;
let fleet: Fleet;
let credentials: Credentials;
let issued = 0;
beforeEach(async () => {
  server = await startGreeter();
  issued = 0;
});
afterEach(async () => {
  await fleet.close({ drainMs: 0 });
  credentials.close();
  await server.close(0);
});

function open(source = anyCredential(() => Promise.resolve(`secret-${++issued}`))): Client<typeof Greeter> {
  credentials = createCredentials(source);
  fleet = createFleet({
    ...{ discovery: staticNodes([server.address]), transport: grpcTransport(), use: [bearer(credentials)] },
  });
  return createClient(fleet, Greeter);
}
const shapes: Readonly<Record<string, (client: Client<typeof Greeter>) => Observable<unknown>>> = {
  unary: (client) => client.count({ name: 'Ada' }),
  'server streaming': (client) => client.lotsOfReplies({ name: 'Ada', replies: 2 }),
  'client streaming': (client) => client.lotsOfGreetings(of({ name: 'Ada' }, { name: 'Bob' })),
  'bidirectional streaming': (client) => client.chat(of({ text: 'hi' }, { text: 'bye' })),
};

describe('bearer over gRPC', () => {
  it.each(Object.keys(shapes))('shows the credential with a %s call', async (shape) => {
    const client = open();
    expect((await lastValueFrom(shapes[shape]!(client).pipe(toArray()))).length).toBeGreaterThan(0);
    expect(server.lastHeader('authorization')).toBe('Bearer secret-1');
    await lastValueFrom(shapes[shape]!(client).pipe(toArray()));
    expect(issued).toBe(1);
  });

  it.each(Object.keys(shapes))(
    'runs a refused %s call once more with a fresh credential, and the user sees nothing',
    async (shape) => {
      const client = open();
      server.faults({ failWith: 'UNAUTHENTICATED', failTimes: 1 });
      expect((await lastValueFrom(shapes[shape]!(client).pipe(toArray()))).length).toBeGreaterThan(0);
      expect(server.lastHeader('authorization')).toBe('Bearer secret-2');
      expect([issued, server.calls]).toEqual([2, 2]);
    },
  );

  it('does not send half of a stream of requests that can be read only once', async () => {
    const client = open();
    server.faults({ failWith: 'UNAUTHENTICATED', failTimes: 1 });
    async function* greetings() {
      yield { name: 'Ada' };
      await Promise.resolve();
      yield { name: 'Bob' };
    }
    const error = await firstValueFrom(client.lotsOfGreetings(greetings())).catch((thrown: FleetError) => thrown);
    expect(error).toMatchObject({
      code: 'FAILED_PRECONDITION',
      attempts: [{ code: 'UNAUTHENTICATED' }, { code: 'FAILED_PRECONDITION' }],
    });
    expect(server.calls).toBe(1);
  });

  it('never loops: a call that is refused twice has failed, and lists both attempts', async () => {
    const client = open();
    server.faults({ failWith: 'UNAUTHENTICATED' });
    const error = await firstValueFrom(client.sayHello({ name: 'Ada' })).catch((thrown: FleetError) => thrown);
    expect(error).toMatchObject({
      code: 'UNAUTHENTICATED',
      attempts: [{ code: 'UNAUTHENTICATED' }, { code: 'UNAUTHENTICATED' }],
    });
    expect([issued, server.calls]).toEqual([2, 2]);
  });

  it('a hundred calls that are refused at once fetch one credential between them', async () => {
    const client = open();
    await firstValueFrom(client.sayHello({ name: 'Ada' }));
    server.faults({ failWith: 'UNAUTHENTICATED', failTimes: 100 });
    const replies = await Promise.all(
      Array.from({ length: 100 }, () =>
        firstValueFrom(client.count({ name: 'Ada' })).catch((error: FleetError) => error),
      ),
    );
    expect(replies.filter((reply) => reply instanceof FleetError)).toEqual([]);
    expect(issued).toBe(2);
  });

  it('does not run a call again with the very credential that was refused', async () => {
    const client = open(staticCredential('api-key', { scheme: 'ApiKey' }));
    server.faults({ failWith: 'UNAUTHENTICATED' });
    await expect(firstValueFrom(client.sayHello({ name: 'Ada' }))).rejects.toThrow('was told to fail');
    expect(server.lastHeader('authorization')).toBe('ApiKey api-key');
    expect(server.calls).toBe(1);
  });

  it('a call without a credential reaches no node, and says why without the secret', async () => {
    const refusal = new FleetError('UNAUTHENTICATED', 'vault 127.0.0.1:8200 refused the role: check the role');
    const client = open(anyCredential(() => throwError(() => refusal)));
    const error = await firstValueFrom(client.sayHello({ name: 'Ada' })).catch((thrown: FleetError) => thrown);
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', message: refusal.message });
    expect(server.calls).toBe(0);
  });
});
