import net from 'node:net';
import { grpcTransport } from '../../src/transport/grpc.js';
import { createNode } from '../../src/core/node.js';
const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
await new Promise((r) => silent.once('listening', r));
for (const addresses of [['10.255.255.1:1'], ['[::1]:5'], [`127.0.0.1:${(silent.address() as any).port}`, '[::1]:5']]) {
  const t0 = Date.now();
  const bl = grpcTransport({ connectDeadlineMs: 300 }).open(createNode({ addresses }));
  bl.state$.subscribe((s) => console.log(addresses, Date.now() - t0, 'state', s, bl.lastError));
  bl.connect();
  await new Promise((r) => setTimeout(r, 700));
  bl.close();
}
silent.close();
await new Promise((r) => setTimeout(r, 50));
console.log(process.getActiveResourcesInfo());
