import { NEVER, of, take, throwError, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { InferenceEvent, InferenceInfo } from '../../src/lumen/inferenceEvent.js';
import { watchedInference } from '../../src/lumen/watchedInference.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

/** What is told of one inference, each as `when type …`. */
function watched(m: MarbleHelpers, single: boolean, run: (inference?: InferenceInfo) => Observable<string>) {
  const told: string[] = [];
  const events = {
    observed: true,
    next(event: InferenceEvent) {
      const what =
        event.type === 'inferenceAnswered'
          ? [event.answer, event.sinceMs]
          : event.type === 'inferenceEnded'
            ? [event.code, event.latencyMs, event.answers]
            : [event.inference.tasks, event.inference.model];
      told.push([m.scheduler.now(), event.type.slice('inference'.length), ...what].join(' '));
    },
  };
  const now = () => m.scheduler.now();
  const answers$ = watchedInference(
    { events, now, clock: now },
    { task: 'echo', payload: 'x', model: 'm' },
    single,
    run,
  );
  return { told, events, answers$ };
}

describe('watchedInference', () => {
  marble('tells of the start, of each part with its time, and of the end', (m) => {
    const { told, answers$ } = watched(m, false, () => m.cold('--a-b|'));
    m.expectObservable(answers$).toBe('--a-b|');
    m.flush();
    expect(told).toEqual(['0 Started echo m', '2 Answered a 2', '4 Answered b 4', '5 Ended OK 5 2']);
  });

  marble('one result is the success, also to a user who takes it and leaves', (m) => {
    const { told, answers$ } = watched(m, true, () => m.cold('--a---|'));
    m.expectObservable(answers$.pipe(take(1))).toBe('--(a|)');
    m.flush();
    expect(told).toEqual(['0 Started echo m', '2 Answered a 2', '2 Ended OK 2 1']);
  });

  marble('who leaves amid the parts has given it up, and it is told once', (m) => {
    const { told, answers$ } = watched(m, false, () => m.cold('-a-b-c|'));
    m.expectObservable(answers$, '--!').toBe('-a');
    m.flush();
    expect(told.at(-1)).toBe('2 Ended CANCELLED 2 1');
    expect(told.filter((line) => line.includes('Ended'))).toHaveLength(1);
  });

  marble('a failure is told with its code', (m) => {
    const down = new FleetError('NO_NODES', 'nobody');
    const { told, answers$ } = watched(m, false, () => m.cold('-a-#', {}, down));
    m.expectObservable(answers$).toBe('-u-#', { u: undefined }, down);
    m.flush();
    expect(told.at(-1)).toBe('3 Ended NO_NODES 3 1');
  });

  marble('each subscription is an inference of its own, known by one object to its events and its calls', (m) => {
    const seen: (InferenceInfo | undefined)[] = [];
    const { answers$ } = watched(m, true, (inference) => {
      seen.push(inference);
      return of('a');
    });
    m.expectObservable(answers$).toBe('(a|)');
    m.expectObservable(answers$).toBe('(a|)');
    m.flush();
    expect(seen[0]!.id).not.toBe(seen[1]!.id);
    expect(seen[0]).toMatchObject({ tasks: ['echo'], model: 'm', meta: {}, streamed: false });
  });

  marble('nothing is told while nobody looks, and nothing is made', (m) => {
    const seen: (InferenceInfo | undefined)[] = [];
    const { told, events, answers$ } = watched(m, false, (inference) => {
      seen.push(inference);
      return throwError(() => new FleetError('INTERNAL', 'no'));
    });
    events.observed = false;
    m.expectObservable(answers$).toBe('#', {}, new FleetError('INTERNAL', 'no'));
    m.flush();
    expect(told).toEqual([]);
    expect(seen).toEqual([undefined]);
  });

  marble('an inference that never answers and is never left is never over', (m) => {
    const { told, answers$ } = watched(m, false, () => NEVER);
    m.expectObservable(answers$).toBe('-');
    m.flush();
    expect(told).toEqual(['0 Started echo m']);
  });
});
