import { createServer } from 'node:net';
import { firstValueFrom } from 'rxjs';
import type { Channel } from '../../src/core/channel.js';
import { createNode } from '../../src/core/node.js';
import type { Verdict } from '../../src/health/healthCheck.js';
import { tcpHealth } from '../../src/health/tcpHealth.js';
import { until } from './healthServer.js';

describe('tcpHealth', () => {
  const verdictAt = (port: number): Promise<Verdict> =>
    firstValueFrom(tcpHealth()({ node: createNode({ address: `127.0.0.1:${port}` }), channel: {} as Channel }));

  it('is good where somebody listens, bad where nobody does, and leaves no connection behind', async () => {
    const open = new Set<unknown>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(await verdictAt(port)).toEqual({ serving: true });
    await until(() => open.size === 0);
    await new Promise((resolve) => server.close(resolve));
    const { serving, reason } = await verdictAt(port);
    expect(serving).toBe(false);
    expect(reason).toMatch(/nobody answers at 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  });
});
