/** `rxfleet register`: announces a node for as long as the command runs. */

import { fromEvent, lastValueFrom, merge, NEVER, of, tap } from 'rxjs';
import { registryFromUrl } from '../config/index.js';
import { FleetError, formatAddress, parseAddress } from '../index.js';
import { register as registration, type Registration, type RegistrationEvent } from '../registration/index.js';
import { keyed } from './keyed.js';
import type { Terminal } from './terminal.js';

export interface RegisterCommandOptions {
  /** A URL, such as `consul://127.0.0.1:8500`. */
  readonly registry: string;
  readonly id?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly version?: string;
  readonly zone?: string;
  readonly region?: string;
  readonly weight?: number;
  readonly tag?: readonly string[];
  readonly metadata?: readonly string[];
  /** Life without a heartbeat, such as `30s`. */
  readonly ttl?: string;
  readonly json?: boolean;
}

/** Registers until Ctrl-C or SIGTERM, then takes the node out. Returns the exit code. */
export async function register(
  service: string,
  address: string,
  options: RegisterCommandOptions,
  terminal: Terminal,
): Promise<number> {
  const { ttl, tag = [], metadata = [], json } = options;
  const url = ttl === undefined ? options.registry : withQuery(options.registry, 'ttl', ttl);
  const target = registryFromUrl(url);
  const { id, name, version, zone, region, weight } = options;
  const namespace = options.namespace ?? target.namespace;
  const node = {
    service,
    address: formatAddress(parseAddress(address)),
    tags: Object.fromEntries(tag.map((each) => keyed(each, '='))),
    metadata: Object.fromEntries(metadata.map((each) => keyed(each, '=', '--metadata'))),
    ...given({ id, name, namespace, version, zone, region, weight }),
  };
  let state: Registration['state'] | undefined;
  const show = (next: Registration) => {
    if (json) terminal.line(JSON.stringify(plain(next)));
    else if (next.state !== state) terminal.line(`${next.state.padEnd(11)} ${spoken(next)}`.trimEnd());
    state = next.state;
  };
  const failures: FleetError[] = [];
  const tell = ({ type, message, cause }: RegistrationEvent) => {
    if (type === 'abandoned') failures.push(FleetError.from(cause ?? message));
    if (type !== 'withdrawn') terminal.say(`${type}: ${message}`);
    else terminal.say('withdrawn');
  };
  const { interrupted } = terminal;
  const withdraw$ = merge(interrupted.aborted ? of(true) : NEVER, fromEvent(interrupted, 'abort'));
  await lastValueFrom(registration(node, target.registry, { withdraw$, onEvent: tell }).pipe(tap(show)), {
    defaultValue: undefined,
  });
  return failures.length > 0 ? 1 : 0;
}

function withQuery(url: string, name: string, value: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`;
}

function given(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

function spoken({ state, node, key, deadline, reason }: Registration): string {
  if (state === 'registered') {
    const until = deadline !== undefined && Number.isFinite(deadline) ? `, heartbeats keep it there` : '';
    return `${node.service} at ${formatAddress(node.address)} as ${key ?? node.id}${until}`;
  }
  return reason ?? '';
}

/** As a line of JSON; a deadline that never comes is left out. */
function plain({ state, node, key, deadline, lateMs, reason }: Registration): object {
  const { id, service, weight, tags } = node;
  const until = deadline !== undefined && Number.isFinite(deadline) ? deadline : undefined;
  return {
    state,
    key,
    deadline: until,
    lateMs,
    reason,
    id,
    service,
    address: formatAddress(node.address),
    weight,
    tags,
  };
}
