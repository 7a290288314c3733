/** What it costs to keep a thousand services registered from one process: are heartbeats on time, and is memory flat? */

import { delay, ignoreElements, of, type Subscription } from 'rxjs';
import { setTimeout as sleep } from 'node:timers/promises';
import { register } from '../../src/registration/register.js';
import type { Registry } from '../../src/registration/registry.js';
import type { Row } from './measure.js';

/** The tenth of the life that a heartbeat may be late. */
const limit = 10;

/**
 * Registrations with a short life, each against a registry that answers after some milliseconds. How late each
 * heartbeat was sent is seen at the registry, against the ticks of a third of the life from the put on.
 *
 * @throws Error when a heartbeat was late by more than a tenth of the life, or one was lost.
 */
export async function registrationRows(quick: boolean): Promise<Row[]> {
  const count = 1_000;
  const ttlMs = 3_000;
  const beats = quick ? 9 : 30;
  const late: number[] = [];
  let lost = 0;
  const registry: Registry = {
    name: 'bench',
    put: ({ id }) => {
      const putAt = Date.now();
      const answer = () => of(ttlMs).pipe(delay(5));
      const nothing = () => of(undefined).pipe(ignoreElements());
      return of({
        ...{ key: id, ttlMs, update: nothing, withdraw: nothing },
        renew: () => {
          const since = Date.now() - putAt;
          late.push(since - Math.round(since / (ttlMs / 3)) * (ttlMs / 3));
          return answer();
        },
      }).pipe(delay(5));
    },
  };
  const lives: Subscription[] = [];
  for (let i = 0; i < count; i++) {
    const node = { service: `service-${i}`, id: `node-${i}`, address: { host: '10.0.0.1', port: 1 + i } };
    lives.push(register(node, registry).subscribe(({ state }) => state === 'lost' && lost++));
    // As services start: not all in one turn.
    if (i % 20 === 19) await sleep(10);
  }
  await sleep(ttlMs);
  const heapBefore = heapUsed();
  const cpuBefore = process.cpuUsage();
  late.length = 0;
  await sleep((beats * ttlMs) / 3);
  const { user, system } = process.cpuUsage(cpuBefore);
  const sent = late.length;
  late.sort((x, y) => x - y);
  const worst = (late.at(-1)! / ttlMs) * 100;
  const median = (late[late.length >> 1]! / ttlMs) * 100;
  late.length = 0;
  const grown = (heapUsed() - heapBefore) / count;
  for (const life of lives) life.unsubscribe();

  if (lost > 0) throw new Error(`${lost} of ${count} registrations were lost`);
  if (sent < count * (beats - 1)) throw new Error(`only ${sent} heartbeats were sent`);
  if (worst > limit) throw new Error(`a heartbeat was late by ${worst.toFixed(1)} % of the life`);
  const alone = { subject: 'rxfleet', against: '', ratio: 1 };
  return [
    { name: `registrations ${count} worst lateness`, ...alone, value: worst, unit: '% of life' },
    { name: `registrations ${count} median lateness`, ...alone, value: median, unit: '% of life' },
    { name: `registrations ${count} heap growth`, ...alone, value: grown, unit: 'bytes each' },
    { name: `registrations ${count} cost`, ...alone, value: (user + system) / sent, unit: 'µs/beat' },
  ];
}

/** After a collection where the process allows one (`--expose-gc`), else the least of some looks. */
function heapUsed(): number {
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  return process.memoryUsage().heapUsed;
}
