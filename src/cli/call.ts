/** `rxfleet call`: any method of any gRPC service, from the terminal. */

import { fromJson, toJson, type DescMethod, type JsonValue, type Message } from '@bufbuild/protobuf';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import {
  catchError,
  debounceTime,
  EMPTY,
  filter,
  firstValueFrom,
  fromEvent,
  lastValueFrom,
  merge,
  of,
  takeUntil,
  tap,
  timeout,
} from 'rxjs';
import { createFleetFromConfig } from '../config/index.js';
import {
  createFleet,
  FleetError,
  isRoutable,
  methodOf,
  type Fleet,
  type Metadata,
  type RpcOptions,
  type TlsOptions,
} from '../index.js';
import { grpcTransport } from '../transport/grpc.js';
import { filesOfDescriptor, filesOfProtos } from './call/filesOfProtos.js';
import { reflectedFiles } from './call/reflectedFiles.js';
import { serviceOf, type FoundService } from './call/serviceOf.js';
import { keyed } from './keyed.js';
import { discoveryOf, type WhereOptions } from './lumenOf.js';
import type { Terminal } from './terminal.js';

export interface CallCommandOptions extends WhereOptions {
  /** A configuration in the place of the options that say where. */
  readonly config?: string;
  readonly proto?: readonly string[];
  readonly protoPath?: readonly string[];
  readonly descriptor?: string;
  readonly header?: readonly string[];
  readonly key?: string;
  readonly deadline?: number;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly json?: boolean;
}

/** How long the fleet gets to find and reach its first node. */
const connectMs = 5_000;
/** How long the nodes must stay as they are to count as settled: several sources do not speak at once. */
const settleMs = 500;

/** Calls the method; writes each answer as it comes. Returns the exit code. */
export async function call(
  target: string,
  text: string | undefined,
  options: CallCommandOptions,
  terminal: Terminal,
): Promise<number> {
  const { service: serviceName, method: methodName } = parsed(target);
  const metadata = headersOf(options.header ?? []);
  const given = options.descriptor === undefined && options.proto === undefined ? undefined : await compiled(options);
  await using fleet = await fleetOf(options);
  await firstReady(fleet, terminal);
  if (terminal.interrupted.aborted) return 130;
  const { deadline: deadlineMs, key } = options;
  const common: RpcOptions = {
    ...(metadata ? { metadata } : {}),
    ...(key === undefined ? {} : { key }),
  };
  const files = given ?? (await reflectedFiles(fleet, serviceName, { ...common, deadlineMs: deadlineMs ?? 10_000 }));
  const found = serviceOf(serviceName, files);
  const descriptor = methodIn(found, methodName);
  const method = methodOf(descriptor);
  const single = method.kind === 'unary' || method.kind === 'clientStreaming';

  const trouble: unknown[] = [];
  const request = requestOf(descriptor, found, text, trouble);
  const spec = {
    ...common,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    // What was read from stdin cannot be read again.
    ...(request.once ? { retry: false as const, failover: false } : {}),
    method,
    request: await request.make(),
  };
  const show = (message: Message) => {
    const json = toJson(descriptor.output, message, { registry: found.registry });
    terminal.line(single && !options.json ? JSON.stringify(json, null, 2) : JSON.stringify(json));
  };
  try {
    await lastValueFrom(
      fleet.call<Message, Message>(spec).pipe(takeUntil(fromEvent(terminal.interrupted, 'abort')), tap(show)),
      { defaultValue: undefined },
    );
  } catch (error) {
    // A line that is no JSON ends the call as cancelled; the line is the news.
    throw trouble[0] ?? error;
  } finally {
    // One that is still open would keep the process from ending.
    if (request.once) process.stdin.destroy();
  }
  return terminal.interrupted.aborted ? 130 : 0;
}

/** `package.Service/Method`, with or without a slash before it, or a dot between. */
function parsed(target: string): { readonly service: string; readonly method: string } {
  const parts = /^\/?([\w.]+)[/.](\w+)$/.exec(target.trim());
  if (parts) return { service: parts[1]!, method: parts[2]! };
  throw new FleetError('INVALID_OPTION', `"${target}" names no method: write package.Service/Method`);
}

function methodIn({ service }: FoundService, name: string): DescMethod {
  const found = service.methods.find((each) => each.name === name || each.localName === name);
  if (found) return found;
  const names = service.methods.map((each) => each.name).join(', ');
  throw new FleetError('NOT_FOUND', `${service.typeName} has no method ${name}; it has ${names}`);
}

async function fleetOf(options: CallCommandOptions): Promise<Fleet> {
  const { config, node, discovery } = options;
  if (config !== undefined) {
    if (node || discovery) {
      throw new FleetError('INVALID_OPTION', 'give either --config, or --discovery and --node, not both');
    }
    return createFleetFromConfig({ file: config, env: process.env });
  }
  if (!node && !discovery) {
    throw new FleetError('INVALID_OPTION', 'nowhere to look: give --discovery URL, --node host:port or --config file');
  }
  const tls = await tlsOf(options);
  return createFleet({
    discovery: discoveryOf({ ...options, mdns: false }),
    transport: grpcTransport(tls ? { tls } : {}),
  });
}

async function tlsOf({ tls, ca }: CallCommandOptions): Promise<TlsOptions | undefined> {
  if (ca === undefined) return tls ? {} : undefined;
  try {
    return { ca: await readFile(ca) };
  } catch (cause) {
    throw new FleetError('INVALID_OPTION', `--ca cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Resolves when a node can take a call; when there is none, and none is being dialled; when nobody could in time; or when
 * discovery has failed. The call tells which.
 */
async function firstReady({ nodes$ }: Fleet, { interrupted }: Terminal): Promise<void> {
  const ready$ = nodes$.pipe(
    filter(({ nodes }) => nodes.some((node) => isRoutable(node) && node.availability === 'ready')),
  );
  const hopeless$ = nodes$.pipe(
    debounceTime(settleMs),
    filter(({ nodes, stale }) => !stale && !nodes.some(({ availability }) => pending.has(availability))),
  );
  const known$ = merge(ready$, hopeless$).pipe(
    timeout({ first: connectMs, with: () => of(undefined) }),
    catchError(() => EMPTY),
    takeUntil(fromEvent(interrupted, 'abort')),
  );
  await firstValueFrom(known$, { defaultValue: undefined });
}

const pending: ReadonlySet<string> = new Set(['discovered', 'connecting']);

async function compiled({ descriptor, proto = [], protoPath = [] }: CallCommandOptions) {
  const sets = [
    ...(descriptor === undefined ? [] : [await filesOfDescriptor(descriptor)]),
    ...(proto.length === 0 ? [] : [await filesOfProtos(proto, protoPath)]),
  ];
  return new Map(sets.flatMap((set) => [...set]));
}

function headersOf(headers: readonly string[]): Metadata | undefined {
  if (headers.length === 0) return undefined;
  const metadata: Record<string, string | Uint8Array> = {};
  for (const header of headers) {
    const [name, value] = keyed(header, ':', '--header');
    const key = name.toLowerCase();
    metadata[key] = key.endsWith('-bin') ? Buffer.from(value, 'base64') : value;
  }
  return metadata;
}

interface Requests {
  /** True when they can be read only once. */
  readonly once: boolean;
  readonly make: () => Promise<() => Message | Iterable<Message> | AsyncIterable<Message>>;
}

/** The one message, or the stream of them; a stream without a text is read from stdin, a line a message. */
function requestOf(
  { input, methodKind }: DescMethod,
  { registry }: FoundService,
  text: string | undefined,
  trouble: unknown[],
): Requests {
  const message = (json: string, place: string): Message => {
    try {
      return fromJson(input, JSON.parse(json) as JsonValue, { registry });
    } catch (cause) {
      const { message: why } = cause as Error;
      throw new FleetError('INVALID_OPTION', `${place} is no ${input.typeName}: ${why}`, { cause });
    }
  };
  const streams = methodKind === 'client_streaming' || methodKind === 'bidi_streaming';
  if (!streams) {
    const make = async () => {
      const whole = message(text ?? ((await piped()) || '{}'), text === undefined ? 'stdin' : 'the request');
      return () => whole;
    };
    return { once: false, make };
  }
  if (text !== undefined) {
    const all = messagesOf(text).map((each, index) => message(each, `request ${index + 1}`));
    return { once: false, make: () => Promise.resolve(() => all) };
  }
  async function* lines(): AsyncGenerator<Message> {
    let number = 0;
    try {
      for await (const line of createInterface({ input: process.stdin })) {
        number++;
        if (line.trim() !== '') yield message(line, `line ${number}`);
      }
    } catch (error) {
      trouble.push(error);
      throw error;
    }
  }
  return { once: true, make: () => Promise.resolve(lines) };
}

/** A list is one message an entry; anything else is one message. */
function messagesOf(text: string): string[] {
  try {
    const json = JSON.parse(text) as unknown;
    return Array.isArray(json) ? json.map((each) => JSON.stringify(each)) : [text];
  } catch {
    // Told by the reading of the message.
    return [text];
  }
}

async function piped(): Promise<string> {
  if (process.stdin.isTTY) return '';
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8').trim();
}
