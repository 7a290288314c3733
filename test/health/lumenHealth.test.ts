import { firstValueFrom, timeout } from 'rxjs';
import { lumenHealth } from '../../src/health/lumenHealth.js';
import { closeAll, HealthServer, targetAt } from './healthServer.js';

afterEach(closeAll);

describe('lumenHealth against a server', () => {
  it('is good where the service answers, or does not know the question', async () => {
    const lumen = await new HealthServer(['lumen']).start();
    const other = await new HealthServer(['check']).start();
    expect(await firstValueFrom(lumenHealth()(targetAt(lumen.port)))).toEqual({ serving: true });
    const reason = 'it has no health method, so it counts as healthy';
    expect(await firstValueFrom(lumenHealth()(targetAt(other.port)))).toEqual({ serving: true, reason });
  });

  it('fails where nobody answers', async () => {
    const server = await new HealthServer(['lumen']).start();
    const target = targetAt(server.port);
    await firstValueFrom(lumenHealth()(target));
    server.stop();
    await expect(firstValueFrom(lumenHealth()(target).pipe(timeout(10_000)))).rejects.toMatchObject({
      code: expect.stringMatching(/UNAVAILABLE|CLOSED|CANCELLED/),
    });
  });
});
