/** A channel that is closed in the turn in which it began to connect. */

import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { createNode } from '../../src/core/node.js';
import { connectTransport } from '../../src/transport/connect.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { until } from '../support/until.js';

it.each([
  ['grpc', grpcTransport()],
  ['connect', connectTransport()],
])('over %s it leaves no socket open, so the program can end', async (_, transport) => {
  let open = 0;
  const server = createServer((socket) => {
    open++;
    socket.on('close', () => open--);
    socket.on('error', () => undefined);
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const channel = transport.open(createNode({ address: `127.0.0.1:${port}` }));
    channel.connect();
    channel.close();
    // One more channel, opened after, proves that the first had its time to dial.
    const second = transport.open(createNode({ address: `127.0.0.1:${port}` }));
    second.connect();
    await until('the second has dialled', () => open >= 1);
    await until('only the second is connected', () => open === 1);
    second.close();
    await until('nobody is connected', () => open === 0);
    const after = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    await until('no socket is left here', () => after() <= before);
  } finally {
    server.close();
  }
});
