/** `rxfleet node`: the embedded Lumen node, until it is ended. */

import { once } from 'node:events';
import { startLumenNode, type LumenNodeOptions } from '../testing/index.js';
import type { Terminal } from './terminal.js';

export interface NodeCommandOptions {
  readonly name?: string;
  readonly host: string;
  readonly port: number;
  readonly flavour: NonNullable<LumenNodeOptions['flavour']>;
  readonly mdns: boolean;
  readonly interface?: readonly string[];
  /** Milliseconds of work per request. */
  readonly work: number;
  readonly concurrency: number;
  readonly json?: boolean;
}

/** Runs a node until Ctrl-C or SIGTERM, then says goodbye. Returns the exit code. */
export async function node(options: NodeCommandOptions, terminal: Terminal): Promise<number> {
  const { name, host, port, flavour, mdns, interface: interfaces, work, concurrency, json } = options;
  await using running = await startLumenNode({
    ...(name === undefined ? {} : { name }),
    host,
    port,
    flavour,
    mdns: mdns ? (interfaces ? { interfaces } : true) : false,
    msPerRequest: work,
    maxConcurrency: concurrency,
  });
  if (json)
    terminal.line(JSON.stringify({ event: 'ready', name: running.name, address: running.address, pid: process.pid }));
  else {
    terminal.line(`${running.name} listens on ${running.address}${mdns ? ', announced as _lumen._tcp' : ''}`);
    terminal.say('End it with Ctrl-C.');
  }
  if (!terminal.interrupted.aborted) await once(terminal.interrupted, 'abort');
  terminal.say(`${running.name} says goodbye.`);
  return 0;
}
