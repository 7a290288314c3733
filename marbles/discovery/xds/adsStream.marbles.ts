import { create } from '@bufbuild/protobuf';
import { catchError, map, of, type Observable } from 'rxjs';
import { NodeSchema } from '../../../src/gen/envoy/core_pb.js';
import { DiscoveryResponseSchema, type DiscoveryRequest } from '../../../src/gen/envoy/discovery_pb.js';
import { adsStream } from '../../../src/discovery/xds/adsStream.js';
import { stateOfTheWorld } from '../../../src/discovery/xds/dialect.js';
import { typeUrlOf, type ResourceKind } from '../../../src/discovery/xds/resourceKind.js';
import { resolveTarget, type Resolution } from '../../../src/discovery/xds/resolveTarget.js';
import { ResourceStore } from '../../../src/discovery/xds/resourceStore.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { fakeChannel, type WireEvent } from '../../../test/core/fakeChannel.js';
import { badCluster, cluster, endpoints } from '../../../test/support/xdsResources.js';

const answer = (kind: ResourceKind, nonce: string, ...resources: ReturnType<typeof cluster>[]): WireEvent => ({
  message: create(DiscoveryResponseSchema, { typeUrl: typeUrlOf(kind), nonce, versionInfo: `v${nonce}`, resources }),
});

const wire: Record<string, WireEvent> = {
  C: answer('cluster', '1', cluster('c')),
  E: answer('endpoints', '2', endpoints('c', [{ endpoints: [{ port: 1 }] }])),
  F: answer('endpoints', '3', endpoints('c', [{ endpoints: [{ port: 1 }, { port: 2 }] }])),
  B: answer('cluster', '4', badCluster('c')),
  N: answer('cluster', '5'),
  X: { end: { code: 'UNAVAILABLE', message: 'gone' } },
};

/** `c`: the cluster is awaited, `e`: its endpoints are, `0`: it does not exist, `1`, `2`: so many endpoints. */
const told = (resolution$: Observable<Resolution>) =>
  resolution$.pipe(
    map(({ awaited, clusters }) => {
      if (awaited.length > 0) return awaited[0]![0]!;
      const leaf = clusters[0]?.leaves[0]?.endpoints;
      return String(leaf && 'localities' in leaf ? leaf.localities[0]!.endpoints.length : 0);
    }),
  );

function streamOf({ cold, scheduler }: MarbleHelpers, answers: string, ready: string, store = new ResourceStore()) {
  const wire$ = cold(answers, wire);
  const fake = fakeChannel(() => wire$);
  const channel = Object.assign(fake, { state$: cold(ready, { r: 'READY' as const }) });
  const messages: string[] = [];
  const target = { cluster: 'c', servers: [] };
  const stream$ = adsStream(stateOfTheWorld, {
    ...{ channel, store, scheduler, resourceTimeoutMs: 10 },
    resolve: () => resolveTarget(target, store),
    node: create(NodeSchema, { id: 'me' }),
    ...{ ignoreDeletion: false, timerIsTransientError: false },
    ...{ tell: (message: string) => messages.push(message), note: () => undefined, onAnswer: () => undefined },
    ...{ onRead: () => undefined, onChange: () => undefined },
  });
  const requests = () =>
    (fake.calls.at(-1)!.sent as DiscoveryRequest[]).map(
      ({ typeUrl, resourceNames, versionInfo, responseNonce, errorDetail }) =>
        [typeUrl.split('.').at(-1), resourceNames.join(), versionInfo, responseNonce, errorDetail ? 'NACK' : '']
          .join(' ')
          .trim(),
    );
  return { stream$, wire$, messages, requests };
}

describe('adsStream', () => {
  marble('each answer is accepted, and leads to what is asked next', (helpers) => {
    const { stream$, requests } = streamOf(helpers, '-C-E-F-', 'r');
    helpers.expectObservable(told(stream$), '^------!').toBe('---1-2-');
    helpers.flush();
    expect(requests()).toEqual([
      'Cluster c',
      'Cluster c v1 1',
      'ClusterLoadAssignment c',
      'ClusterLoadAssignment c v2 2',
      'ClusterLoadAssignment c v3 3',
    ]);
  });

  marble('a bad resource is refused with the version before it, and what was known stands', (helpers) => {
    const { stream$, requests, messages } = streamOf(helpers, '-C-E-B-', 'r');
    helpers.expectObservable(told(stream$), '^------!').toBe('---1-1-');
    helpers.flush();
    expect(requests().at(-1)).toBe('Cluster c v1 4 NACK');
    expect(messages).toHaveLength(1);
  });

  marble('what was known and is not listed any more is deleted', (helpers) => {
    const { stream$ } = streamOf(helpers, '-C-E-N-', 'r');
    helpers.expectObservable(told(stream$), '^------!').toBe('---1-0-');
  });

  marble('what is silent for its time does not exist', (helpers) => {
    const { stream$, messages } = streamOf(helpers, '-------------', 'r');
    helpers.expectObservable(told(stream$), '^-----------!').toBe('----------0-');
    helpers.flush();
    expect(messages).toHaveLength(1);
  });

  marble('that time runs from the connection, not from the start', (helpers) => {
    const { stream$ } = streamOf(helpers, '------------------', '-----r');
    helpers.expectObservable(told(stream$), '^----------------!').toBe('---------------0-');
  });

  marble('a new stream tells nothing before it has heard of all that it asks for', (helpers) => {
    const store = new ResourceStore();
    const before = streamOf(helpers, '-C-E-X', 'r', store);
    const next = streamOf(helpers, '-C---F-', 'r', store);
    helpers
      .expectObservable(told(before.stream$).pipe(catchError(() => of('ended'))))
      .toBe('---1-(x|)', { 1: '1', x: 'ended' });
    helpers.expectObservable(told(next.stream$), '------^------!').toBe('-----------2-');
    helpers.flush();
    expect(next.requests().slice(0, 2)).toEqual(['Cluster c v1', 'ClusterLoadAssignment c v2']);
  });

  marble('leaving the stream cancels it', (helpers) => {
    const { stream$, wire$ } = streamOf(helpers, '-C-E-----', 'r');
    helpers.expectObservable(told(stream$), '^----!').toBe('---1--');
    helpers.expectSubscriptions(wire$.subscriptions).toBe('^----!');
  });
});
