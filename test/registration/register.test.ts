/** register() in real time: a held-up event loop, a stopped process, and what a senseless caller is told. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { filter, firstValueFrom, ReplaySubject, timeout } from 'rxjs';
import type { NodeInit } from '../../src/core/node.js';
import { memoryRegistry } from '../../src/registration/memoryRegistry.js';
import { register, type RegisterOptions } from '../../src/registration/register.js';
import type { Registration, RegistrationEvent } from '../../src/registration/registration.js';
import { until } from '../support/until.js';

const node: NodeInit = { service: 'demo', address: '127.0.0.1:1' };

/** Holds the event loop up. */
function stall(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('register in real time', () => {
  it('tells of a heartbeat that an overloaded event loop sent late, and stays registered', async () => {
    const events: RegistrationEvent[] = [];
    const told$ = new ReplaySubject<Registration>();
    const registry = memoryRegistry({ ttlMs: 900 });
    const life = register(node, registry, { onEvent: (event) => events.push(event) }).subscribe(told$);
    await firstValueFrom(told$.pipe(filter(({ state }) => state === 'registered')));
    stall(550);
    const late = await firstValueFrom(
      told$.pipe(
        filter(({ lateMs }) => lateMs !== undefined),
        timeout(5_000),
      ),
    );
    life.unsubscribe();
    expect(late).toMatchObject({ state: 'registered' });
    expect(late.lateMs).toBeGreaterThan(90);
    expect(events.find(({ type }) => type === 'late')?.message).toContain('the event loop was held up');
  });

  it('a process that was stopped past the life of its registration knows that it is lost as soon as it runs', async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/registration/registeredServer.ts'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const lines: string[] = [];
      createInterface(child.stdout).on('line', (line) => lines.push(line));
      await until('it is registered', () => lines.some((line) => line.startsWith('registered')));
      child.kill('SIGSTOP');
      await new Promise((done) => setTimeout(done, 1_000));
      const before = lines.length;
      child.kill('SIGCONT');
      await until('it is registered again', () => lines.slice(before).some((line) => line.startsWith('registered')));
      const after = lines.slice(before);
      expect(after.slice(0, 2)).toEqual([
        expect.stringMatching(/^lost .*this process was held up for \d+ ms/),
        'registering',
      ]);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  const registry = memoryRegistry();
  const refusals: readonly [string, NodeInit, RegisterOptions, string][] = [
    ['a node of no service', { address: '127.0.0.1:1' }, {}, 'service must be named'],
    ['a node without an address', { service: 'demo' }, {}, 'has no address'],
    ['an empty id', { ...node, id: '' }, {}, 'id must be left out or not empty'],
    ['a heartbeat of nothing', node, { heartbeatMs: 0 }, 'heartbeatMs must be above 0, not 0'],
    ['a time limit of nothing', node, { answerTimeoutMs: 0 }, 'answerTimeoutMs must be above 0, not 0'],
    ['a negative time limit', node, { withdrawTimeoutMs: -1 }, 'withdrawTimeoutMs must be at least 0, not -1'],
    ['a senseless backoff', node, { backoff: { jitter: 2 } }, 'jitter must be from 0 to 1, not 2'],
  ];
  it.each(refusals)('refuses %s at once, by name', (_, given, options, message) => {
    expect(() => register(given, registry, options)).toThrow(message);
  });

  it('refuses a heartbeat that is slower than the life that the registry grants, and takes the node out', async () => {
    const short = memoryRegistry({ ttlMs: 1_000 });
    const told = firstValueFrom(
      register(node, short, { heartbeatMs: 1_000 }).pipe(filter(({ state }) => state === 'registered')),
    );
    await expect(told).rejects.toThrow('heartbeatMs must be below the 1000 ms that memory lets it live, not 1000');
    expect(await firstValueFrom(short.nodes$)).toEqual([]);
  });
});
