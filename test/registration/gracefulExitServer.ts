/** A process with a registration, for the tests of its way out: says each step on a line, and ends by itself. */

import { createServer } from 'node:net';
import { gracefulExit } from '../../src/registration/gracefulExit.js';
import { memoryRegistry } from '../../src/registration/memoryRegistry.js';
import { register } from '../../src/registration/register.js';

const registry = memoryRegistry({ ttlMs: 10_000 });
const server = createServer().listen(0, '127.0.0.1');
const say = (line: string) => void process.stdout.write(`${line}\n`);

registry.nodes$.subscribe((nodes) => say(`listed ${nodes.length}`));
gracefulExit({
  registration: (withdraw$) => register({ service: 'demo', address: '127.0.0.1:1' }, registry, { withdraw$ }),
  setServing: (serving) => say(`serving ${serving}`),
  waitMs: Number(process.argv[2] ?? 20),
  drain: () => say('drained'),
  close: () => new Promise<void>((done) => server.close(() => done())),
  signals: ['SIGTERM'],
}).subscribe(({ step, registration, signal }) =>
  say(['step', step, registration?.state, signal].filter(Boolean).join(' ')),
);
