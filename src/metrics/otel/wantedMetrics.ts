/** Which metrics there are to be. */

import { requireOption } from '../../core/requireOption.js';
import { grpcMetrics } from '../grpcMetrics.js';
import { clientMetrics } from './clientMetrics.js';
import { genAiMetrics } from './genAiMetrics.js';
import { pickFirstMetrics } from './pickFirstMetrics.js';

const specs = [grpcMetrics(), pickFirstMetrics, clientMetrics, genAiMetrics].flatMap((table) => Object.values(table));
const names = specs.map(({ name }) => name);

/** Not what gRFCs A78, A91, A94 and A96 call experimental. */
const byDefault = ['grpc.client.attempt.*', 'grpc.client.call.duration', 'rxfleet.*', 'gen_ai.*'];

/** @throws FleetError `INVALID_OPTION` for what names no metric, as a name that is misspelt. */
export function wantedMetrics(enabled: readonly string[], disabled: readonly string[]): (name: string) => boolean {
  const off = namedBy(disabled, 'disableMetrics');
  const on = namedBy([...byDefault, ...enabled], 'enableMetrics');
  return (name) => on.has(name) && !off.has(name);
}

function namedBy(patterns: readonly string[], option: string): ReadonlySet<string> {
  return new Set(
    patterns.flatMap((pattern) => {
      const named = names.filter((name) => matches(name, pattern));
      requireOption(named.length > 0, option, `names of metrics, or beginnings of such and *`, pattern);
      return named;
    }),
  );
}

function matches(name: string, pattern: string): boolean {
  return (
    typeof pattern === 'string' && (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern)
  );
}
