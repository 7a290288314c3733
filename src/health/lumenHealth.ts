/** Does the Lumen service of a node answer? */

import { create } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { catchError, concat, map, NEVER, of, throwError } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { methodOf } from '../core/method.js';
import { rpc } from '../core/rpc.js';
import { Inference } from '../gen/lumen/inference_pb.js';
import type { HealthCheck } from './healthCheck.js';

/**
 * Calls Lumen's own `Health`, which every Lumen node has.
 *
 * It shows that the process lives. A hub answers it while its models are still loading, so whether a node can do a
 * task is learnt from its capabilities, not from here. A node that does not know the method counts as healthy and is
 * not asked again.
 */
export function lumenHealth(): HealthCheck {
  return ({ channel }) =>
    rpc(channel, methodOf(Inference.method.health), create(EmptySchema)).pipe(
      map(() => ({ serving: true })),
      catchError((error: unknown) =>
        error instanceof FleetError && error.code === 'UNIMPLEMENTED'
          ? concat(of({ serving: true, reason: 'it has no health method, so it counts as healthy' }), NEVER)
          : throwError(() => error),
      ),
    );
}
