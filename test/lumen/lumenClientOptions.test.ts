import { firstValueFrom } from 'rxjs';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { resolveLumenOptions } from '../../src/lumen/lumenClientOptions.js';

const discovery = staticNodes(['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1']);

describe('resolveLumenOptions', () => {
  it('has defaults for everything', () => {
    const { fleet, defaults, cooldown, handshake } = resolveLumenOptions({});
    expect(fleet).toMatchObject({
      service: 'lumen',
      initialState: { compatibility: 'pending' },
      connections: { eager: true },
    });
    expect(fleet.transport.name).toBe('grpc');
    expect(fleet.health).toBeUndefined();
    expect(defaults).toMatchObject({ chunk: {}, retry: { maxAttempts: 3 } });
    expect([...defaults.singleMessageTasks]).toEqual(['ocr']);
    expect(cooldown).toMatchObject({ scheduler: expect.anything() as unknown });
    expect(handshake.legacyNodes).toBe(true);
  });

  it('takes the numbers of a preset, and what the user says before them', () => {
    const brave = resolveLumenOptions({ preset: 'brave' });
    expect(brave.defaults).toMatchObject({
      deadlineMs: 15_000,
      chunk: { thresholdBytes: 4_194_304, pieceBytes: 1_048_576 },
    });
    expect(brave.cooldown).toMatchObject({ minMs: 5_000, maxMs: 60_000 });
    expect(brave.fleet.health).toBeTypeOf('function');
    const own = resolveLumenOptions({
      preset: 'brave',
      calls: { deadlineMs: 1 },
      chunk: { pieceBytes: 9 },
      cooldown: { minMs: 6_000 },
      health: false,
    });
    expect(own.defaults).toMatchObject({ deadlineMs: 1, chunk: { pieceBytes: 9 } });
    expect(own.cooldown).toMatchObject({ minMs: 6_000, maxMs: 60_000 });
    expect(own.fleet.health).toBeUndefined();
    expect(resolveLumenOptions({ preset: 'minimal' }).fleet.health).toBeUndefined();
    expect(resolveLumenOptions({ preset: 'brave', cooldown: false }).cooldown).toBe(false);
  });

  it('uses at most as many nodes as it may', async () => {
    const { fleet } = resolveLumenOptions({ discovery, maxNodes: 2 });
    const set = await firstValueFrom(fleet.discovery({ service: 'lumen' }));
    expect(set.nodes.map(({ id }) => id)).toEqual(['10.0.0.1:1', '10.0.0.2:1']);
  });

  it.each([
    [{ preset: 'bold' as never }, 'preset must be one of minimal, basic, lightweight, brave, not bold'],
    [{ maxNodes: 0 }, 'maxNodes'],
    [{ chunk: { pieceBytes: 0 } }, 'chunk.pieceBytes'],
    [{ calls: { maxResultBytes: 0 } }, 'maxResultBytes'],
    [{ calls: { partTimeoutMs: 2 ** 31 } }, 'partTimeoutMs'],
    [{ singleMessageTasks: [4 as never] }, 'singleMessageTasks'],
  ])('refuses %j, naming the field', (options, words) => {
    expect(() => resolveLumenOptions(options)).toThrow(words);
  });
});
