/** `rxfleet nodes`: who is there, and what they can do. */

import { debounceTime, filter, firstValueFrom, fromEvent, of, take, takeUntil, timeout } from 'rxjs';
import { formatAddress, isPending, isRoutable, whyNotRoutable, type Node, type NodeSet } from '../index.js';
import { lumenOf, type WhereOptions } from './lumenOf.js';
import { table, type Terminal } from './terminal.js';

export interface NodesOptions extends WhereOptions {
  readonly watch?: boolean;
  readonly json?: boolean;
  /** How long to look, in milliseconds, before the answer is "nobody". */
  readonly timeout: number;
}

/** Lists the nodes; with `watch` goes on with each change until interrupted. Returns the exit code. */
export async function nodes(options: NodesOptions, terminal: Terminal): Promise<number> {
  await using lumen = lumenOf(options);
  const interrupted$ = fromEvent(terminal.interrupted, 'abort').pipe(take(1));
  const settled$ = lumen.nodes$.pipe(
    debounceTime(200),
    filter((set) => set.size > 0 && !set.nodes.some(isPending)),
    timeout({ first: options.timeout, with: () => of(lumen.nodes$.value) }),
    takeUntil(interrupted$),
  );
  const first = await firstValueFrom(settled$, { defaultValue: lumen.nodes$.value });
  show(first, options, terminal);
  if (!options.watch) {
    if (first.size === 0) terminal.say(nobody(options));
    return first.size > 0 ? 0 : 1;
  }
  if (first.size === 0) terminal.say(`${nobody(options)} Watching; end with Ctrl-C.`);
  if (terminal.interrupted.aborted) return 0;

  let before = first;
  await new Promise<void>((resolve) =>
    lumen.nodes$.pipe(takeUntil(interrupted$)).subscribe({
      next: (set) => {
        const { added, removed, updated } = set.changesSince(before);
        before = set;
        for (const node of added) tell('added', node, options, terminal);
        for (const node of updated) tell('updated', node, options, terminal);
        for (const node of removed) tell('removed', node, options, terminal);
      },
      complete: resolve,
    }),
  );
  return 0;
}

function nobody({ timeout: ms, mdns, discovery }: NodesOptions): string {
  const where =
    mdns === false || discovery ? '' : ' by mDNS: is one running on this network? `rxfleet node` starts one';
  return `No node was found within ${ms / 1_000} s${where}.`;
}

const marks = { added: '+', updated: '~', removed: '-' } as const;

function tell(event: keyof typeof marks, node: Node, { json }: NodesOptions, terminal: Terminal): void {
  if (json) terminal.line(JSON.stringify({ event, node: plain(node) }));
  else terminal.line(`${marks[event]} ${row(node).join('  ')}`);
}

function show(set: NodeSet, { json, watch }: NodesOptions, terminal: Terminal): void {
  if (json && watch) for (const node of set.nodes) terminal.line(JSON.stringify({ event: 'added', node: plain(node) }));
  else if (json) terminal.line(JSON.stringify(set.nodes.map(plain), null, 2));
  else if (set.size > 0) terminal.line(table(['NAME', 'ADDRESS', 'STATE', 'VERSION', 'TASKS'], set.nodes.map(row)));
}

function row(node: Node): string[] {
  const state = whyNotRoutable(node) ?? node.availability;
  return [node.name, formatAddress(node.address), state, node.version ?? '-', tasksOf(node).join(', ') || '-'];
}

function tasksOf({ capabilities }: Node): string[] {
  return [...new Set(capabilities.flatMap(({ tasks }) => tasks.map(({ name }) => name)))];
}

/** A node as JSON: the documented fields, addresses as text. */
function plain(node: Node): object {
  const { id, name, version, availability, health, compatibility, models, sources, metadata } = node;
  return {
    id,
    name,
    address: formatAddress(node.address),
    addresses: node.addresses.map(formatAddress),
    routable: isRoutable(node),
    availability,
    health,
    compatibility,
    reason: whyNotRoutable(node),
    version,
    tasks: tasksOf(node),
    models,
    sources,
    metadata,
  };
}
