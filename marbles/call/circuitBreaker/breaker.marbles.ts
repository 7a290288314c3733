import { Observable } from 'rxjs';
import { Alarm } from '../../../src/call/circuitBreaker/alarm.js';
import { Breaker } from '../../../src/call/circuitBreaker/breaker.js';
import { breakerRules, type BreakerOptions } from '../../../src/call/circuitBreaker/breakerOptions.js';
import { deadlineWheel } from '../../../src/core/deadlineWheel.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

/**
 * `s`, `f`: an attempt begins and succeeds, or fails. `b`: one begins. `S`, `F`, `C`: the oldest of those that began succeeds,
 * fails or is cancelled. `h`: it is half-open, `c`, `o`: closed, open; `x`: an attempt was refused.
 */
const states = (m: MarbleHelpers, attempts: string, options: BreakerOptions = {}) =>
  new Observable<string>((subscriber) => {
    const now = () => m.scheduler.now();
    const rules = breakerRules({ consecutiveFailures: 2, cooldownMs: 10, jitter: 0, ...options }, 'breaker');
    const breaker = new Breaker(rules, () => 0.5, now(), {
      changed(_, to) {
        arm();
        subscriber.next(to[0]!);
      },
    });
    const alarm = new Alarm(deadlineWheel(m.scheduler), () => {
      breaker.advance(now());
      arm();
    });
    const arm = () => alarm.set(now() + Math.max(0, breaker.dueIn(now())));
    const running: number[] = [];
    const begin = () => {
      const pass = breaker.enter(now());
      if (pass === 0) subscriber.next('x');
      else running.push(pass);
    };
    subscriber.add(
      m.cold(attempts).subscribe((letter) => {
        if ('sfb'.includes(letter)) begin();
        if (letter === 'b') return arm();
        const pass = (letter === 's' || letter === 'f' ? running.pop() : running.shift()) ?? 0;
        if (letter === 's' || letter === 'S') breaker.answered(pass, 0, now());
        else if (letter === 'C') breaker.undone(pass, now());
        else breaker.failed(pass, now(), 'UNAVAILABLE');
        arm();
      }),
    );
    subscriber.add(() => alarm.set(Infinity));
  });

describe('breaker', () => {
  const drawn = (title: string, attempts: string, expected: string, options?: BreakerOptions) =>
    marble(title, (m) => m.expectObservable(states(m, attempts, options), '^ 60ms !').toBe(expected));

  drawn('successes open nothing, and neither do failures that are not in a row', 's-f-s-f-s-f-s', '-');
  drawn(
    'failures in a row open it; after the cooldown it is half-open, and stays so until it is asked',
    'f-f',
    '--o 9ms h',
  );
  drawn('open, it refuses', 'f-f-s-s-s', '--o-x-x-x---h');
  drawn('one success closes it', 'f-f 11ms s', '--o 9ms h-c');
  drawn('one failure opens it for twice as long', 'f-f 11ms f', '--o 9ms h-o 19ms h');
  drawn('half-open, it refuses all but its probe', 'f-f 11ms bbb--S', '--o 9ms h--xx--c');
  drawn(
    'two successes of three probes close it, whatever the third comes to',
    'f-f 11ms bbbF-S-S',
    '--o 9ms h--------c',
    {
      halfOpen: { probes: 3, successes: 2 },
    },
  );
  drawn(
    'two failures of three probes open it, whatever the third comes to',
    'f-f 11ms bbbF-F-S',
    '--o 9ms h------o 19ms h',
    {
      halfOpen: { probes: 3, successes: 2 },
    },
  );
  drawn('three successes in a row close it, one probe at a time', 'f-f 11ms s-s-s', '--o 9ms h-----c', {
    halfOpen: { probes: 1, successes: 3 },
  });
  drawn('a probe that never ends has failed after its time', 'f-f 11ms b', '--o 9ms h 5ms o 19ms h', {
    halfOpen: { probeTimeoutMs: 4 },
  });
  drawn('what a probe says after its time counts for nothing', 'f-f 11ms b-----S', '--o 9ms h 5ms o 19ms h', {
    halfOpen: { probeTimeoutMs: 4 },
  });
  drawn('a probe that is cancelled counts for nothing, and the next may begin', 'f-f 11ms b-C-s', '--o 9ms h-----c');
  drawn('what began before it opened counts for nothing while it is open', 'bbf-f-S-F', '----o 9ms h');
  drawn('what began before it opened counts for nothing after it has closed', 'bbf-f 11ms s-F-F', '----o 9ms h-c');
});
