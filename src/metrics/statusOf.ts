/** How an attempt ended, by the name that gRPC has for it. */

import { grpcStatusOf, type StatusName } from '../core/errorCodes.js';
import type { Outcome } from '../core/nodeStats.js';

export function statusOf({ status, code }: Outcome): StatusName {
  if (status === 'ok') return 'OK';
  return status === 'cancelled' ? 'CANCELLED' : grpcStatusOf(code ?? 'UNKNOWN');
}
