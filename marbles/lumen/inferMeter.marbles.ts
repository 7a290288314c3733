import { map } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createInferMeter } from '../../src/lumen/inferMeter.js';
import { marble } from '../../src/testing/marble.js';

describe('createInferMeter', () => {
  marble('counts what succeeds, fails and is given up, and tells at once', (m) => {
    const meter = createInferMeter({ scheduler: m.scheduler });
    m.expectObservable(m.cold('----(a|)').pipe(meter.measure(true))).toBe('----(a|)');
    m.expectObservable(m.cold('--#', {}, new FleetError('INTERNAL', 'no')).pipe(meter.measure(true))).toBe(
      '--#',
      {},
      new FleetError('INTERNAL', 'no'),
    );
    m.expectObservable(m.cold('------').pipe(meter.measure(true)), '------!').toBe('------');
    const told$ = meter.metrics$.pipe(
      map(
        (t) =>
          `${t.succeeded}+${t.failed}+${t.cancelled} of ${t.total}, ${t.inFlight} in flight, ${t.averageLatencyMs} ms`,
      ),
    );
    m.expectObservable(told$, '-------!').toBe('n-f-s-c', {
      n: '0+0+0 of 0, 3 in flight, 0 ms',
      f: '0+1+0 of 1, 2 in flight, 0 ms',
      s: '1+1+0 of 2, 1 in flight, 4 ms',
      c: '1+1+1 of 3, 0 in flight, 4 ms',
    });
  });

  marble('a caller who takes the one result and leaves has been answered', (m) => {
    const meter = createInferMeter({ scheduler: m.scheduler });
    m.expectObservable(m.cold('-a---').pipe(meter.measure(true)), '--!').toBe('-a');
    m.expectObservable(meter.metrics$.pipe(map((t) => t.succeeded)), '---!').toBe('01', { 0: 0, 1: 1 });
  });

  marble('throughput is that of the window, and sinks when nothing comes', (m) => {
    const meter = createInferMeter({ scheduler: m.scheduler, windowMs: 2_000 });
    const call$ = m.cold('(a|)').pipe(meter.measure(true));
    for (let i = 0; i < 10; i++) m.expectObservable(call$).toBe('(a|)');
    const rate$ = meter.metrics$.pipe(map((t) => t.throughputPerSecond));
    m.expectObservable(rate$, '500ms ^ 4500ms !').toBe('500ms a 999ms b 999ms c 999ms d 999ms d', {
      a: 20,
      b: 10_000 / 1_500,
      c: 0,
      d: 0,
    });
  });
});
