/** The layouts that come with the library, by name. */

import { FleetError } from '../../core/fleetError.js';
import type { EtcdLayout } from './layout.js';
import { flareLayout } from './layouts/flare.js';
import { flareLegacyLayout } from './layouts/flareLegacy.js';
import { fyerLayout } from './layouts/fyer.js';
import { grpcGoLayout } from './layouts/grpcGo.js';
import { rxfleetLayout } from './layouts/rxfleet.js';

/**
 * `rxfleet`: ours. `flare`: flare-server-core. `flareLegacy`: flare-server-core before its rewrite. `fyer`: fyer-rpc.
 * `grpcGo`: etcd's own endpoints naming for gRPC in Go.
 */
export type EtcdLayoutName = 'rxfleet' | 'flare' | 'flareLegacy' | 'fyer' | 'grpcGo';

const layouts: Readonly<Record<EtcdLayoutName, EtcdLayout>> = {
  rxfleet: rxfleetLayout,
  flare: flareLayout,
  flareLegacy: flareLegacyLayout,
  fyer: fyerLayout,
  grpcGo: grpcGoLayout,
};

/** @throws FleetError `INVALID_OPTION` for an unknown name, or an object without the two functions. */
export function layoutOf(layout: EtcdLayoutName | EtcdLayout): EtcdLayout {
  if (typeof layout === 'string' && Object.hasOwn(layouts, layout)) return layouts[layout];
  if (typeof layout === 'object' && typeof layout?.decode === 'function' && typeof layout.encode === 'function') {
    return layout;
  }
  const names = Object.keys(layouts).join(', ');
  throw new FleetError(
    'INVALID_OPTION',
    `layout must be one of ${names}, or an object with decode and encode, not ${String(layout)}`,
  );
}
