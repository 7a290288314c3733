import { firstValueFrom } from 'rxjs';
import { HealthCheckResponse_ServingStatus as Status } from '../../src/gen/grpc/health_pb.js';
import { activeHealth } from '../../src/health/activeHealth.js';
import { grpcHealth } from '../../src/health/grpcHealth.js';
import { closeAll, follow, HealthServer, targetAt, until } from './healthServer.js';

afterEach(closeAll);

describe('grpcHealth against a server', () => {
  it('is told by a watch, and cancels it on the wire when unsubscribed', async () => {
    const server = await new HealthServer(['watch', 'check']).start();
    const verdicts = follow(grpcHealth()(targetAt(server.port)));
    await verdicts.first(({ serving }) => serving);
    server.status = Status.NOT_SERVING;
    expect(await verdicts.first(({ serving }) => !serving)).toMatchObject({
      sure: true,
      reason: expect.stringContaining('NOT_SERVING'),
    });
    expect(server.watchers).toBe(1);
    verdicts.subscription.unsubscribe();
    await until(() => server.watchers === 0);
    expect(server.checks).toBe(0);
  });

  it('opens the watch again after it broke', async () => {
    const server = await new HealthServer(['watch']).start();
    const verdicts = follow(grpcHealth({ backoff: { initialBackoffMs: 5 } })(targetAt(server.port)));
    await verdicts.inAll(1);
    server.breakWatches();
    const [first, second, third] = await verdicts.inAll(3);
    expect([first, second, third].map((verdict) => verdict!.serving)).toEqual([true, false, true]);
    expect(second).toMatchObject({ reason: expect.stringContaining('restarting') });
  });

  it('falls back to Check where there is no Watch', async () => {
    const server = await new HealthServer(['check']).start();
    const target = targetAt(server.port);
    const check = grpcHealth();
    expect(await firstValueFrom(check(target))).toMatchObject({ serving: true });
    server.status = Status.NOT_SERVING;
    expect(await firstValueFrom(check(target))).toMatchObject({ serving: false });
    expect(server.checks).toBe(2);
  });

  it('counts a node without the health service as healthy, says so, and asks no more', async () => {
    const server = await new HealthServer(['lumen']).start();
    const health = activeHealth(grpcHealth(), { initialJitterMs: 0, intervalMs: 1 })(targetAt(server.port));
    expect(await follow(health).first(() => true)).toEqual({
      health: 'serving',
      reason: 'it has no health service, so it counts as healthy',
    });
  });
});
