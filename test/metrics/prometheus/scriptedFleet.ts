/** A client to which only happens what a test says: nodes, and events one by one. */

import { BehaviorSubject, Subject } from 'rxjs';
import type { CallInfo, FleetEvent, LiveNodes, Node, NodeInit, Outcome } from '../../../src/index.js';
import { createNode, NodeSet } from '../../../src/index.js';
import type { AnyRegistry } from '../../../src/metrics/prometheus.js';

/** All fields of an event but those that every event has. */
type Told<T extends FleetEvent['type']> = Omit<Extract<FleetEvent, { type: T }>, 'type' | 'at'>;

export const node = (id: string, more: NodeInit = {}): Node => createNode({ id, address: `${id}:1`, ...more });

export interface ScriptedFleet {
  readonly fleet: LiveNodes;
  /** The time of the events that follow, in milliseconds. */
  at: number;
  nodes(...nodes: readonly Node[]): void;
  stale(since: number): void;
  tell<T extends FleetEvent['type']>(type: T, event: Partial<Told<T>>): void;
  /** A call that has begun. */
  begin(name?: string): CallInfo;
  attempt(call: CallInfo, node: Node, more?: Partial<Told<'attemptStarted'>>): void;
  attemptEnds(call: CallInfo, node: Node, outcome: Outcome, more?: Partial<Told<'attemptEnded'>>): void;
  end(call: CallInfo, more?: Partial<Told<'callEnded'>>): void;
  close(): void;
}

export const hello = '/demo.Greeter/SayHello';
let calls = 0;

export function scriptedFleet(service = 'greeter', known: readonly Node[] = []): ScriptedFleet {
  const nodes$ = new BehaviorSubject(NodeSet.of(known));
  const events$ = new Subject<FleetEvent>();
  const fleet = { service, nodes$, events$, snapshot: () => ({ methods: {} }) } as unknown as LiveNodes;
  const scripted: ScriptedFleet = {
    fleet,
    at: 1_000_000,
    nodes: (...nodes) => nodes$.next(NodeSet.of(nodes)),
    stale: (since) => nodes$.next(nodes$.value.withStale({ since, reason: 'cut off' })),
    tell: (type, event) => events$.next({ type, at: scripted.at, ...event } as unknown as FleetEvent),
    begin(name = hello) {
      const call = { id: ++calls, name, options: {}, attempts: [] } as unknown as CallInfo;
      scripted.tell('callStarted', { call });
      return call;
    },
    attempt(call, on, more = {}) {
      const asked = { addHeader: () => undefined, watchMessages: () => undefined };
      scripted.tell('attemptStarted', { call, node: on, attempt: 1, reason: 'first', waitedMs: 0, ...asked, ...more });
    },
    attemptEnds(call, on, outcome, more = {}) {
      const plain = { attempt: 1, reason: 'first', outrun: false, messages: 1, message: '' } as const;
      if (outcome.status === 'failed') {
        (call.attempts as unknown as { node: string; address: string }[]).push({
          node: on.id,
          address: `${on.address.host}:${on.address.port}`,
        });
      }
      scripted.tell('attemptEnded', { call, node: on, outcome, ...plain, ...more });
    },
    end(call, more = {}) {
      scripted.tell('callEnded', { call, code: 'OK', error: undefined, latencyMs: 1, messages: 1, ...more });
    },
    close() {
      nodes$.complete();
      events$.complete();
    },
  };
  return scripted;
}

/** What a registry writes, read by hand: `name{label="value"}` with its labels in order, to its value. */
export async function written(registry: AnyRegistry): Promise<Map<string, number>> {
  const text = await registry.metrics();
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const sorted = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => `${key}=${text}`).sort();
    const series = sorted.length > 0 ? `${name}{${sorted.join(',')}}` : name;
    if (found.has(series)) throw new Error(`twice: ${series}`);
    found.set(series, Number(value));
  }
  return found;
}

/** The one value of a series that has these labels, among others; 0 where there is none. */
export async function valueOf(
  registry: AnyRegistry,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const found = [...(await written(registry))].filter(([series]) => {
    const [, own, inner = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series)!;
    return own === name && wanted.every((label) => `,${inner},`.includes(`,${label},`));
  });
  if (found.length > 1) throw new Error(`${name} has several series with ${wanted.join()}: ${found.join(' ')}`);
  return found[0]?.[1] ?? 0;
}
