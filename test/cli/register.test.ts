/** `rxfleet register`: what it refuses, and that it withdraws; over real registries in `call.test.ts`. */

import { consulOrReason, startConsul } from '../support/consul.js';
import { rxfleet, start } from './running.js';

describe('register', () => {
  it.each<[string, string[], RegExp]>([
    ['no registry', ['x', '127.0.0.1:1'], /required option.*--registry/],
    ['an address that is none', ['x', 'nowhere', '-r', 'consul://127.0.0.1:1'], /"nowhere" is no address/],
    [
      'a registry that is read-only',
      ['x', '127.0.0.1:1', '-r', 'dns:///x'],
      /nobody can register with dns: it is read-only/,
    ],
    ['a life that is none', ['x', '127.0.0.1:1', '-r', 'etcd://127.0.0.1:1', '--ttl', 'long'], /ttl must be a time/],
    ['a weight that is none', ['x', '127.0.0.1:1', '-r', 'mdns://', '--weight', 'much'], /--weight.*a number/],
    [
      'metadata without a value',
      ['x', '127.0.0.1:1', '-r', 'mdns://', '--metadata', 'a'],
      /--metadata takes key=value/,
    ],
  ])('%s is refused', async (_, args, message) => {
    const { code, stderr } = await rxfleet('register', ...args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  it('tells its states to people, and takes the node out at SIGTERM', async (context) => {
    const program = await consulOrReason();
    if (typeof program === 'string') return context.skip(program);
    const consul = await startConsul(program);
    try {
      const url = consul.address.replace('http:', 'consul:');
      const args = ['--id', 'gpu-1', '--tag', 'env=prod', '--metadata', 'runtime=cuda', '--zone', 'eu-1'];
      const running = start('register', 'thumbnails', '127.0.0.1:50051', '-r', url, ...args);
      await running.says('registered');
      await running.says('thumbnails at 127.0.0.1:50051 as gpu-1');
      const { body } = await consul.ask('GET', '/v1/catalog/service/thumbnails');
      expect(body).toMatchObject([
        { ServiceID: 'gpu-1', ServiceTags: ['env=prod'], ServiceMeta: { runtime: 'cuda', zone: 'eu-1' } },
      ]);
      running.child.kill('SIGTERM');
      const { code, stdout, stderr } = await running.ended;
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(/^registering.*\nregistered .*\nwithdrawing/s);
      expect((await consul.ask('GET', '/v1/catalog/service/thumbnails')).body).toEqual([]);
    } finally {
      await consul.kill();
    }
  }, 60_000);
});
