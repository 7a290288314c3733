import { firstValueFrom, timeout } from 'rxjs';
import { lumenHealth } from '../../src/health/lumenHealth.js';
import { closeAll, HealthServer, targetAt } from './healthServer.js';

afterEach(closeAll);

describe('lumenHealth against a server', () => {
  it('is good where the service answers, or does not know the question', async () => {
    const lumen = await new HealthServer(['lumen']).start();
    const other = await new HealthServer(['check']).start();
    for (const { port } of [lumen, other]) {
      expect(await firstValueFrom(lumenHealth()(targetAt(port)))).toEqual({ serving: true });
    }
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
