/** Backends that are loaded when they are first used, so that a configuration costs nothing for the others. */

import { catchError, defer, from, switchMap, throwError } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { Discovery } from '../discovery/discovery.js';
import type { Registry } from '../registration/registry.js';

/** A discovery that is loaded, once, when it is first subscribed to. */
export function lazyDiscovery(load: () => Promise<Discovery>): Discovery {
  const loaded = once(load);
  return (query) => loaded().pipe(switchMap((discovery) => discovery(query)));
}

/** A registry that is loaded, once, when a node is first put into it. */
export function lazyRegistry(name: string, load: () => Promise<Registry>): Registry {
  const loaded = once(load);
  return { name, put: (node) => loaded().pipe(switchMap((registry) => registry.put(node))) };
}

function once<T>(load: () => Promise<T>) {
  let loading: Promise<T> | undefined;
  return () =>
    defer(() => from((loading ??= load()))).pipe(
      catchError((error: unknown) => throwError(() => FleetError.from(error, 'DISCOVERY_FAILED'))),
    );
}
