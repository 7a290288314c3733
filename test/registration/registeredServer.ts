/** A process with a short-lived registration, for the tests that stop it: says how that stands, a line each time. */

import { memoryRegistry } from '../../src/registration/memoryRegistry.js';
import { register } from '../../src/registration/register.js';

register({ service: 'demo', address: '127.0.0.1:1' }, memoryRegistry({ ttlMs: 500 })).subscribe(({ state, reason }) =>
  process.stdout.write(`${[state, reason].filter(Boolean).join(' ')}\n`),
);
