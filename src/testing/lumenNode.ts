/** A Lumen node in this process: a real gRPC server that speaks the whole contract, does small honest work, and fails as told. */

import { randomUUID } from 'node:crypto';
import { ReplaySubject, type Observable } from 'rxjs';
import { formatAddress } from '../core/address.js';
import { advertise, type Advertisement, type AdvertiseOptions } from '../registration/mdns.js';
import { openGrpcServer, type GrpcServer } from './grpcServer.js';
import type { LoggedCall } from './lumenNode/callLog.js';
import { capabilitiesOf } from './lumenNode/capabilities.js';
import { requireFaults, type LumenFaults } from './lumenNode/faults.js';
import { txtOf, type LumenFlavour } from './lumenNode/flavour.js';
import { HealthBoard } from './lumenNode/healthBoard.js';
import { inferenceService } from './lumenNode/inferenceService.js';
import { resolveParts, type LumenNodeOptions, type Parts } from './lumenNode/options.js';
import type { Serving } from './lumenNode/serving.js';

export type { LoggedCall } from './lumenNode/callLog.js';
export type { LumenFaults } from './lumenNode/faults.js';
export type { LumenFlavour } from './lumenNode/flavour.js';
export type { LumenNodeOptions } from './lumenNode/options.js';
export type { NodeService } from './lumenNode/services.js';
export type { NodeTask, TaskInput, TaskOutput } from './lumenNode/tasks/task.js';

/** A running node. */
export interface LumenNode {
  readonly name: string;
  readonly flavour: LumenFlavour;
  readonly host: string;
  readonly port: number;
  /** `host:port`. */
  readonly address: string;
  /** False while it is starting. */
  readonly ready: boolean;
  /** `Infer` requests that it has had. */
  readonly requests: number;
  /** `Infer` requests that it has answered to the end. */
  readonly answered: number;
  /** Requests that it is working on, and the most at once so far. */
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** Connections that are open. */
  readonly connections: number;
  /** The last 10,000 calls, oldest first; `Infer`, the questions for capabilities, and `Health`. */
  readonly calls: readonly LoggedCall[];
  /** How its announcement stands; silent without `mdns`. */
  readonly advertisement$: Observable<Advertisement>;
  /** Replaces all faults: `{}` heals it. */
  faults(faults: LumenFaults): void;
  /** Ends its warm-up now. */
  warm(): void;
  /** What `grpc.health.v1` says of it, once it is ready; nothing else changes. A Python server has no such service. */
  setServing(serving: boolean): void;
  /**
   * Says goodbye and takes no more calls, waits for those in flight, and after `graceMs` (default 2,000) ends them.
   * Calls that hang end at once as `UNAVAILABLE`.
   */
  close(graceMs?: number): Promise<void>;
  /** Breaks every connection and frees the port at once. `close()` afterwards does nothing. */
  kill(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a Lumen node on a loopback port.
 *
 *     await using node = await startLumenNode({ name: 'hub-1', mdns: true });
 *     node.faults({ dieAfterMessages: 3 });
 *
 * Every answer follows from the request alone, so that two nodes agree and a test can tell right from wrong.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option, `UNAVAILABLE` when the address cannot be listened on.
 */
export async function startLumenNode(options: LumenNodeOptions = {}): Promise<LumenNode> {
  const parts = resolveParts(options);
  const node = new RunningNode(parts);
  await node.open(options);
  return node;
}

class RunningNode implements LumenNode {
  readonly #parts: Parts;
  readonly #health = new HealthBoard();
  readonly #closing = new AbortController();
  readonly #advertisement = new ReplaySubject<Advertisement>(1);
  #goodbye: () => void = () => {};
  #server!: GrpcServer;
  #faults: LumenFaults = {};
  #warmUp: ReturnType<typeof setTimeout> | undefined;
  #ready = true;
  #unavailable = false;
  #serving = true;
  #closed: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async open({ host, port, mdns, txt }: LumenNodeOptions): Promise<void> {
    const parts = this.#parts;
    const { flavour, maxRequestBytes } = parts;
    const capabilities = capabilitiesOf(parts);
    this.#server = await openGrpcServer({
      host,
      port,
      methods: [
        ...inferenceService(this.#serves(), () => capabilities),
        ...(flavour === 'hub' ? this.#health.methods : []),
      ],
      // A hub says OUT_OF_RANGE by itself, for which it must have read the message.
      maxReceiveBytes: flavour === 'hub' ? Math.max(4 * maxRequestBytes, 67_108_864) : maxRequestBytes,
    });
    this.#start(parts.warmUpMs);
    this.faults(parts.initialFaults);
    try {
      if (mdns) this.#announce(mdns === true ? {} : mdns, txt ?? txtOf(flavour, randomUUID));
    } catch (refused) {
      this.kill();
      throw refused;
    }
  }

  get name(): string {
    return this.#parts.name;
  }
  get flavour(): LumenFlavour {
    return this.#parts.flavour;
  }
  get host(): string {
    return this.#server.host;
  }
  get port(): number {
    return this.#server.port;
  }
  get address(): string {
    return formatAddress(this);
  }
  get ready(): boolean {
    return this.#ready;
  }
  get requests(): number {
    return this.#parts.log.requests;
  }
  get answered(): number {
    return this.#parts.log.answered;
  }
  get inFlight(): number {
    return this.#parts.slots.taken;
  }
  get maxInFlight(): number {
    return this.#parts.slots.most;
  }
  get connections(): number {
    return this.#server.connections;
  }
  get calls(): readonly LoggedCall[] {
    return this.#parts.log.calls;
  }
  get advertisement$(): Observable<Advertisement> {
    return this.#advertisement.asObservable();
  }

  faults(faults: LumenFaults): void {
    this.#faults = requireFaults(faults);
    this.#server.silent = faults.silent ?? false;
    const wasUnavailable = this.#unavailable;
    this.#unavailable = faults.unavailableMs !== undefined;
    if (this.#unavailable) this.#start(faults.unavailableMs!);
    else if (wasUnavailable) this.#start(0);
  }

  warm(): void {
    this.#start(0);
  }

  setServing(serving: boolean): void {
    this.#serving = serving;
    this.#tellHealth();
  }

  close(graceMs = 2_000): Promise<void> {
    this.#closed ??= (() => {
      this.#retire();
      return this.#server.close(graceMs);
    })();
    return this.#closed;
  }

  kill(): void {
    this.#retire();
    this.#server.kill();
    this.#closed ??= Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** On a wildcard address it has all the addresses of the machine, else the one that it listens on. */
  #announce(options: AdvertiseOptions, txt: Readonly<Record<string, string>>): void {
    const { boundHost } = this.#server;
    const everywhere = boundHost === '0.0.0.0' || boundHost === '::';
    const { name, port } = this;
    const instance = { service: 'lumen', name, port, txt, ...(everywhere ? {} : { addresses: [boundHost] }) };
    const announcement = advertise(instance, options).subscribe(this.#advertisement);
    this.#goodbye = () => announcement.unsubscribe();
  }

  /** What is told to the world at the end, however it comes. */
  #retire(): void {
    this.#goodbye();
    clearTimeout(this.#warmUp);
    this.#health.close();
    this.#closing.abort();
  }

  #start(ms: number): void {
    clearTimeout(this.#warmUp);
    this.#ready = ms <= 0;
    if (!this.#ready && ms < Infinity) this.#warmUp = setTimeout(() => this.#start(0), ms);
    this.#tellHealth();
  }

  #tellHealth(): void {
    if (!this.#closing.signal.aborted) this.#health.set(this.#ready && this.#serving);
  }

  /** The handlers' view of this node. */
  #serves(): Serving {
    const parts = this.#parts;
    const ready = (): boolean => this.#ready;
    const faults = (): LumenFaults => this.#faults;
    return {
      ...parts,
      closing: this.#closing.signal,
      kill: () => this.kill(),
      get ready() {
        return ready();
      },
      get faults() {
        return faults();
      },
    };
  }
}
