/** All that a configuration can say: every setting, its kind, its default and its other names, in one place. */

import { FleetError } from '../core/fleetError.js';
import type { Backend } from './backend.js';
import { aioBackend } from './backends/aio.js';
import { brokerBackend } from './backends/broker.js';
import { consulBackend } from './backends/consul.js';
import { dnsBackend } from './backends/dns.js';
import { etcdBackend } from './backends/etcd.js';
import { fileBackend } from './backends/file.js';
import { mdnsBackend } from './backends/mdns.js';
import { meshBackend } from './backends/mesh.js';
import { staticBackend } from './backends/static.js';
import { balancerNames } from './balancerName.js';
import { didYouMean } from './nearest.js';
import { choice, duration, kindOf, plain, text, texts, whole, yesNo, type DocumentOf } from './setting.js';
import { tagFilters } from './tagFilters.js';
import { tlsSection } from './tls.js';

/** The backends, as they stand in help. */
export const backends: readonly Backend[] = [
  etcdBackend,
  consulBackend,
  dnsBackend,
  meshBackend,
  mdnsBackend,
  aioBackend,
  brokerBackend,
  fileBackend,
  staticBackend,
];

/** The settings beside `backend_config`. */
export const fleetSection = {
  /** The service, where `backend_config.service_type` does not name it. */
  service: text({ aliases: ['service_name', 'service_type'] }),
  discovery: {
    backend: kindOf<string, string>(
      'the name of a backend',
      (value, path) => backendOfName(value, path).name,
    )({
      aliases: ['type'],
    }),
    /** A URL in the place of `backend` and what it takes; `backend_config` adds to it. */
    url: text({ aliases: ['uri'] }),
    load_balance: choice(balancerNames)({
      default: 'consistent_hash',
      aliases: ['load_balancer', 'balancer', 'strategy'],
    }),
    /** How often the source is read from scratch beside being watched. Default: never, since it is watched. */
    refresh_interval: duration({ aliases: ['refresh'] }),
    namespace: {
      default: text(),
      separator: choice({ '/': [] })({ default: '/' }),
    },
    version: {
      /** A version, or with `format = "semver"` a range of them. */
      default: text(),
      /** What to take while nobody of that version can serve: ranges in turn, or `any`. Default: nobody else. */
      fallback: texts(),
      format: choice({ semver: [], exact: ['string', 'text'] })({ default: 'semver' }),
      /** False lists every version. */
      enable_routing: yesNo({ default: true }),
    },
    tag_filters: tagFilters({ default: [], aliases: ['tags'] }),
    health_check: {
      /** On when anything stands in this table. */
      enabled: yesNo(),
      kind: choice({ grpc: [], tcp: [] })({ default: 'grpc', aliases: ['type'] }),
      interval: duration({ default: 10_000 }),
      timeout: duration({ default: 5_000 }),
      failure_threshold: whole(1, 1_000)({ default: 3 }),
      success_threshold: whole(1, 1_000)({ default: 2 }),
      path: text({ note: () => 'not asked for: nodes are asked by the health protocol of gRPC, or by tcp' }),
    },
  },
  transport: {
    connect_deadline: duration({ default: 10_000, aliases: ['connect_timeout'] }),
    keepalive: duration({ default: 330_000, aliases: ['keepalive_time'] }),
    keepalive_timeout: duration({ default: 20_000 }),
    max_receive_bytes: whole(1, 2 ** 32)({ default: 16 * 1024 * 1024 }),
    max_send_bytes: whole(1, 2 ** 32)(),
    tls: tlsSection,
  },
  calls: {
    /** Default: 30 s for calls with one answer, none for those that stream. */
    deadline: duration({ aliases: ['timeout'] }),
    first_response_timeout: duration({ aliases: ['per_try_timeout'] }),
    /** The first one included; 1 never tries again. */
    max_attempts: whole(1, 100)({ default: 3 }),
    wait_for_ready: yesNo({ default: false }),
  },
};

/** The name of the service, in the `backend_config` of each backend. */
export const serviceSection = { service_type: text({ aliases: ['service', 'service_name'] }) };

type BackendConfig = DocumentOf<typeof serviceSection> &
  (
    | DocumentOf<typeof etcdBackend.section>
    | DocumentOf<typeof consulBackend.section>
    | DocumentOf<typeof dnsBackend.section>
    | DocumentOf<typeof meshBackend.section>
    | DocumentOf<typeof mdnsBackend.section>
    | DocumentOf<typeof aioBackend.section>
    | DocumentOf<typeof brokerBackend.section>
    | DocumentOf<typeof fileBackend.section>
    | DocumentOf<typeof staticBackend.section>
  );

type Tables = DocumentOf<typeof fleetSection>;

/**
 * A configuration as it is written, in a file or as an object: flare's tables with ours beside them. Every name may also be
 * written in camelCase. See `explainConfig()` for all that counts.
 */
export interface FleetConfig extends Omit<Tables, 'discovery'> {
  readonly discovery?: Tables['discovery'] & { readonly backend_config?: BackendConfig };
}

/**
 * The backend of that name.
 *
 * @throws FleetError `INVALID_OPTION` with the names that there are.
 */
export function backendOfName(name: unknown, path: string): Backend {
  const asked = typeof name === 'string' ? plain(name) : undefined;
  const found = backends.find((each) => [each.name, ...each.aliases].some((known) => plain(known) === asked));
  if (found) return found;
  const names = backends.map((each) => each.name);
  const meant =
    typeof name === 'string'
      ? didYouMean(
          name,
          backends.flatMap((each) => [each.name, ...each.aliases]),
        )
      : '';
  const shown = JSON.stringify(name) ?? 'missing';
  throw new FleetError('INVALID_OPTION', `${path} must be one of ${names.join(', ')}, not ${shown}${meant}`);
}
