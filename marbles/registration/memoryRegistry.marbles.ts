import { concat, delay, ignoreElements, map, mergeMap, of, timer, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { memoryRegistry, type MemoryRegistry } from '../../src/registration/memoryRegistry.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const a = createNode({ id: 'a', service: 'demo', address: '10.0.0.1:1' });
const b = createNode({ id: 'b', service: 'other', address: '10.0.0.2:1' });
const away = new FleetError('UNAVAILABLE', 'memory: the registry is cut off: connect(true) brings it back');

const listed = ({ nodes$ }: MemoryRegistry): Observable<string> =>
  nodes$.pipe(map((nodes) => nodes.map(({ id, weight }) => `${id}${weight}`).join(' ')));
const found = (m: MarbleHelpers, { discovery }: MemoryRegistry, service = 'demo'): Observable<string> =>
  discovery({ service, scheduler: m.scheduler }).pipe(
    map(({ nodes, stale }) => nodes.map(({ id, weight }) => `${id}${weight}`).join(' ') + (stale ? '?' : '')),
  );

describe('memoryRegistry', () => {
  marble('a node whose life ends is gone', (m) => {
    const registry = memoryRegistry({ ttlMs: 5, scheduler: m.scheduler });
    m.expectObservable(
      timer(2, m.scheduler).pipe(
        mergeMap(() => registry.put(a)),
        map(({ key }) => key),
      ),
    ).toBe('--(a|)');
    m.expectObservable(listed(registry), '^--------!').toBe('o-a----o', { o: '', a: 'a1' });
  });

  marble('a heartbeat makes it live on; an update changes it; a withdrawal ends it', (m) => {
    const registry = memoryRegistry({ ttlMs: 5, scheduler: m.scheduler });
    const life$ = registry
      .put(a)
      .pipe(
        mergeMap((lease) =>
          concat(
            of(0).pipe(delay(4, m.scheduler), ignoreElements()),
            lease.renew(),
            of(0).pipe(delay(4, m.scheduler), ignoreElements()),
            lease.update({ ...a, weight: 2 }),
            of(0).pipe(delay(4, m.scheduler), ignoreElements()),
            lease.withdraw(),
          ),
        ),
      );
    const go$ = timer(1, m.scheduler).pipe(mergeMap(() => life$));
    m.expectObservable(go$).toBe('-----t-------|', { t: 5 });
    m.expectObservable(listed(registry), '^--------------!').toBe('oa-------b---o', { o: '', a: 'a1', b: 'a2' });
  });

  marble('what was forgotten, or taken over, is not found by its lease', (m) => {
    const registry = memoryRegistry({ scheduler: m.scheduler });
    const lost = new FleetError('NOT_FOUND', 'memory: a is not registered any more');
    const renewed = (harm: () => void) =>
      registry.put(a).pipe(
        mergeMap((lease) => {
          harm();
          return lease.renew();
        }),
      );
    m.expectObservable(renewed(() => registry.forget('a'))).toBe('#', undefined, lost);
    m.expectObservable(renewed(() => registry.put(a).subscribe())).toBe('#', undefined, lost);
  });

  marble('its discovery lists the nodes of the service that is asked for, and says when it is cut off', (m) => {
    const registry = memoryRegistry({ scheduler: m.scheduler });
    m.scheduler.schedule(() => registry.put(a).subscribe(), 1);
    m.scheduler.schedule(() => registry.put(b).subscribe(), 2);
    m.scheduler.schedule(() => registry.connect(false), 4);
    m.scheduler.schedule(() => registry.connect(true), 6);
    m.expectObservable(found(m, registry), '^-------!').toBe('oa--s-a', { o: '', a: 'a1', s: 'a1?' });
    m.expectObservable(found(m, registry, 'other'), '^-------!').toBe('o-b-s-b', { o: '', b: 'b1', s: 'b1?' });
  });

  marble('cut off, it answers nobody', (m) => {
    const registry = memoryRegistry({ scheduler: m.scheduler });
    registry.connect(false);
    m.expectObservable(registry.put(a)).toBe('#', undefined, away);
  });
});
