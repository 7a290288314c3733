/**
 * Our own client as a program, so that it can run on another host: `browse` or `announce`, with options as JSON.
 * Writes a JSON line for each thing that happens; reads JSON lines. It never exits by itself while anything is open,
 * so that its end after `stop` proves that nothing is left.
 */

import { createInterface } from 'node:readline';
import { BehaviorSubject, Subject } from 'rxjs';
import { mdns, type MdnsOptions } from '../../src/discovery/mdns.js';
import { advertise, type AdvertiseOptions, type ServiceInstance } from '../../src/registration/mdns.js';

interface Command {
  readonly reconfirm?: string;
  readonly update?: ServiceInstance;
  readonly stop?: true;
  /** Unsubscribe and exit the process in the same breath. */
  readonly exit?: true;
}

const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const [role, spec = '{}'] = process.argv.slice(2);
const reconfirm$ = new Subject<string>();
const instance$ = new BehaviorSubject<ServiceInstance | undefined>(undefined);

const start = () => {
  const onEvent = ({ type, message }: { type: string; message: string }) => say({ event: type, message });
  if (role === 'browse') {
    return mdns(JSON.parse(spec) as MdnsOptions)({ service: 'lumen', reconfirm$, onEvent }).subscribe({
      next: (set) =>
        say({
          set: set.nodes.map(({ id, version, addresses, metadata }) => ({
            ...{ id, version, metadata, addresses: addresses.map(({ host, port }) => `${host} ${port}`) },
          })),
          stale: set.stale?.reason ?? false,
        }),
      error: (error: Error) => say({ error: error.message }),
    });
  }
  const { instance, options } = JSON.parse(spec) as { instance: ServiceInstance; options: AdvertiseOptions };
  instance$.next(instance);
  return advertise(instance$ as BehaviorSubject<ServiceInstance>, { ...options, onEvent }).subscribe({
    next: (advertisement) => say(advertisement),
    error: (error: Error) => say({ error: error.message }),
  });
};

const life = start();
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const { reconfirm, update, stop, exit } = JSON.parse(line) as Command;
  if (reconfirm) reconfirm$.next(reconfirm);
  if (update) instance$.next(update);
  if (stop || exit) {
    life.unsubscribe();
    if (exit) process.exit(0);
    input.close();
    process.stdin.destroy();
  }
});
