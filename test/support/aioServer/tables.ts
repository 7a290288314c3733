/** What an AIO server keeps: its tables, its leases, and the rules by which it answers, written from the contract. */

import { randomUUID } from 'node:crypto';
import { FleetError } from '../../../src/core/fleetError.js';

export interface ServiceRow {
  readonly id: bigint;
  readonly project: string;
  readonly name: string;
  readonly owner: string;
  readonly description: string;
  readonly specJson: string;
  readonly createdAt: number;
}

/** Times in milliseconds by the clock of the server. */
export interface InstanceRow {
  readonly id: bigint;
  readonly serviceId: bigint;
  readonly key: string;
  readonly env: string;
  readonly host: string;
  readonly endpoint: string;
  readonly metaJson: string;
  readonly ttlSeconds: number;
  readonly lastHeartbeatAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endpointsJson: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Set by deregistering, and never cleared: the trap. */
  readonly deletedAt?: number | undefined;
}

export type Registering = Partial<
  Omit<InstanceRow, 'id' | 'createdAt' | 'updatedAt' | 'lastHeartbeatAt' | 'deletedAt'>
>;

interface LeaseEntry {
  readonly row: InstanceRow;
  readonly until: number;
}

/** One database with its Redis; outlives the server, unless the test gives the next server another one. */
export class AioTables {
  readonly services: ServiceRow[] = [];
  readonly instances: InstanceRow[] = [];
  readonly leases = new Map<string, LeaseEntry>();
  /** True: leases are neither written nor read, which the server only logs. */
  redisDown = false;
  #lastId: bigint;

  constructor(
    readonly now: () => number = Date.now,
    firstId = 0n,
  ) {
    this.#lastId = firstId;
  }

  ensureService(init: Pick<ServiceRow, 'project' | 'name'> & Partial<ServiceRow>): {
    row: ServiceRow;
    created: boolean;
  } {
    const found = this.services.find(({ project, name }) => project === init.project && name === init.name);
    if (found) return { row: found, created: false };
    if (!init.project || !init.name) throw new FleetError('INVALID_ARGUMENT', '参数错误');
    const row = { owner: '', description: '', specJson: '', ...init, id: ++this.#lastId, createdAt: this.now() };
    this.services.push(row);
    return { row, created: true };
  }

  register(init: Registering): { key: string; expiresAt: number } {
    const { serviceId = 0n, env = '', host = '', endpoint = '', endpointsJson = '' } = init;
    if (serviceId <= 0n || !env || !host || !(endpoint || endpointsJson)) {
      throw new FleetError('INVALID_ARGUMENT', '参数错误');
    }
    if (!this.services.some(({ id }) => id === serviceId)) throw new FleetError('NOT_FOUND', '服务不存在');
    const key = init.key || randomUUID();
    const now = this.now();
    const old = this.#row(serviceId, key);
    const row: InstanceRow = {
      ...{ serviceId, env, host, endpoint, endpointsJson, key },
      id: old?.id ?? ++this.#lastId,
      metaJson: isJson(init.metaJson) ? init.metaJson! : '',
      ttlSeconds: init.ttlSeconds && init.ttlSeconds > 0 ? init.ttlSeconds : 60,
      httpPort: init.httpPort ?? 0,
      grpcPort: init.grpcPort ?? 0,
      lastHeartbeatAt: now,
      createdAt: old?.createdAt ?? now,
      updatedAt: now,
      // The upsert does not clear it.
      deletedAt: old?.deletedAt,
    };
    this.#write(row);
    this.#lease(row);
    return { key, expiresAt: now + row.ttlSeconds * 1_000 };
  }

  /** Seconds since the epoch; 0 for whatever goes wrong. */
  heartbeat(serviceId: bigint, key: string): bigint {
    const row = this.#row(serviceId, key);
    if (!row || row.deletedAt !== undefined) return 0n;
    const now = this.now();
    const next = { ...row, lastHeartbeatAt: now };
    this.#write(next);
    this.#lease(next);
    return BigInt(Math.floor((now + row.ttlSeconds * 1_000) / 1_000));
  }

  deregister(serviceId: bigint, key: string): void {
    this.leases.delete(`${serviceId}:${key}`);
    const row = this.#row(serviceId, key);
    if (row && row.deletedAt === undefined) this.#write({ ...row, deletedAt: this.now() });
  }

  /** An admin takes it offline: its last heartbeat was never. */
  forceOffline(key: string): void {
    for (const row of this.instances) {
      if (row.key !== key) continue;
      this.leases.delete(`${row.serviceId}:${key}`);
      this.#write({ ...row, lastHeartbeatAt: 0 });
    }
  }

  /** The rows are gone without a trace, as in a database that was restored from yesterday. */
  forget(key: string): void {
    for (const row of this.instances.filter((each) => each.key === key)) {
      this.leases.delete(`${row.serviceId}:${key}`);
      this.instances.splice(this.instances.indexOf(row), 1);
    }
  }

  servicesOf(project: string): ServiceRow[] {
    const found = this.services.filter((row) => project === '' || row.project === project);
    return found.sort((a, b) => Number(b.id - a.id));
  }

  /** Those online: by their leases in no order, or, where there is no lease at all, by their last heartbeat. */
  online(serviceId: bigint, env: string): InstanceRow[] {
    const now = this.now();
    for (const [key, { until }] of this.leases) if (until <= now) this.leases.delete(key);
    const asked = (row: InstanceRow) => row.serviceId === serviceId && (env === '' || row.env === env);
    if (this.leases.size > 0 && !this.redisDown) {
      return shuffled([...this.leases.values()].map(({ row }) => row).filter(asked));
    }
    const alive = (row: InstanceRow) =>
      row.deletedAt === undefined && now - row.lastHeartbeatAt <= row.ttlSeconds * 1_000;
    return this.instances.filter((row) => asked(row) && alive(row)).sort((a, b) => Number(b.id - a.id));
  }

  #row(serviceId: bigint, key: string): InstanceRow | undefined {
    return this.instances.find((row) => row.serviceId === serviceId && row.key === key);
  }

  #write(row: InstanceRow): void {
    const index = this.instances.findIndex(({ id }) => id === row.id);
    if (index < 0) this.instances.push(row);
    else this.instances[index] = row;
  }

  #lease(row: InstanceRow): void {
    if (this.redisDown) return;
    this.leases.set(`${row.serviceId}:${row.key}`, { row, until: this.now() + row.ttlSeconds * 1_000 });
  }
}

function isJson(text: string | undefined): boolean {
  try {
    JSON.parse(text ?? '');
    return true;
  } catch {
    return false;
  }
}

function shuffled<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
