import { ignoreElements, map, merge, takeUntil, timer } from 'rxjs';
import { aioRegistryOver } from '../../src/registration/aio/aioRegistryOver.js';
import { Heartbeats } from '../../src/registration/aio/heartbeats.js';
import { register } from '../../src/registration/register.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnAio, type Answer } from './drawnAio.js';

const node = { service: 'carts', namespace: 'shop', address: '10.0.0.7:50051' };

/** What arrives at the server of one registration, with its states between: `P` put, `b` beat, `D` taken out. */
function drawn({ scheduler }: MarbleHelpers, answers: Readonly<Record<string, Answer>> = {}, ttlMs = 6_000) {
  const { access, arrived$ } = drawnAio(scheduler, answers);
  const registry = aioRegistryOver(access, new Heartbeats(access, 10_000), { ttlMs });
  const states$ = register(node, registry, { scheduler, random: () => 0.5 }).pipe(
    map(({ state }) => ({ registering: 'r', registered: 'R', lost: 'l', withdrawing: 'w' })[state]),
  );
  const letters: Readonly<Record<string, string>> = { RegisterInstance: 'P', DeregisterInstance: 'D' };
  const wire$ = arrived$.pipe(map((name) => (name.startsWith('beat') ? 'b' : (letters[name] ?? '.'))));
  return { wire$, states$ };
}

describe('a registration with AIO', () => {
  marble('is put in and beats at once, then at a third of its life', (helpers) => {
    const { states$ } = drawn(helpers);
    // Credential, service, put, first beat: two frames each. Beats count from the start, an answer takes two frames.
    helpers.expectObservable(states$, '^ 6100ms !').toBe('r 7ms R 1993ms R 1999ms R 1999ms R');
  });

  marble('keeps within a life that is shorter than the ten seconds of other clients', (helpers) => {
    const { states$, wire$ } = drawn(helpers, {}, 3_000);
    const beats$ = merge(wire$, states$.pipe(ignoreElements())).pipe(takeUntil(timer(3_100, helpers.scheduler)));
    helpers.expectObservable(beats$).toBe('. 1ms . 1ms P 1ms b 993ms b 999ms b 999ms b 99ms |');
  });

  marble('is lost when a beat is answered with 0, and is put in again at once', (helpers) => {
    const Heartbeat: Answer = (n) => ({ expiresAt: n === 2 ? 0n : 60n });
    const { states$ } = drawn(helpers, { Heartbeat });
    helpers.expectObservable(states$, '^ 2100ms !').toBe('r 7ms R 1993ms (lr) 2ms R');
  });

  marble('is lost at the end of its life, and no later, when no beat is answered', (helpers) => {
    const Heartbeat: Answer = (n) => (n === 1 ? { expiresAt: 60n } : undefined);
    const { states$ } = drawn(helpers, { Heartbeat });
    helpers.expectObservable(states$, '^ 6005ms !').toBe('r 7ms R 5991ms (lr)');
  });

  marble('is taken out when it is unsubscribed', (helpers) => {
    const { states$, wire$ } = drawn(helpers);
    const life$ = states$.pipe(takeUntil(timer(20, helpers.scheduler)), ignoreElements());
    helpers.expectObservable(merge(wire$, life$), '^ 50ms !').toBe('. 1ms . 1ms P 1ms b 13ms D');
  });
});
