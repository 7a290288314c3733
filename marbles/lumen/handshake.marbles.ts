import { map, NEVER, throwError, type Observable } from 'rxjs';
import { capabilityOf } from '../../src/lumen/fetchCapabilities.js';
import { handshake, type HandshakeOptions } from '../../src/lumen/handshake.js';
import type { Capability } from '../../src/core/capability.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type Availability, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { create } from '@bufbuild/protobuf';
import { CapabilitySchema } from '../../src/gen/lumen/inference_pb.js';

const offers = (model: string, protocolVersion = '1.0'): readonly Capability[] => [
  capabilityOf(
    create(CapabilitySchema, { serviceName: 'ocr', modelIds: [model], protocolVersion, tasks: [{ name: 'ocr' }] }),
  ),
];
const one = offers('one');
const two = offers('two');
const old = offers('one', '');
const future = offers('one', '2.0');

const at = (availability: Availability, address = '10.0.0.1:50051', id = 'hub'): Node =>
  createNode({ id, address, availability, compatibility: 'pending' });
const unavailable = new FleetError('UNAVAILABLE', 'it loads its models');

/** Node sets by letter: r ready, d down, m ready at another address, 0 no node, x and y two nodes ready one after the other. */
const sets = {
  r: NodeSet.of([at('ready')]),
  s: NodeSet.of([at('ready')]),
  d: NodeSet.of([at('unavailable')]),
  c: NodeSet.of([at('connecting')]),
  m: NodeSet.of([at('ready', '10.0.0.2:50051')]),
  0: NodeSet.empty,
  x: NodeSet.of([at('ready', '10.0.0.1:1', 'x'), at('connecting', '10.0.0.1:2', 'y')]),
  y: NodeSet.of([at('ready', '10.0.0.1:1', 'x'), at('ready', '10.0.0.1:2', 'y')]),
};

/** What was annotated, in one word: `hub pending`, `hub compatible one`. */
const told = (
  { scheduler }: MarbleHelpers,
  set$: Observable<NodeSet>,
  fetch: (node: Node) => Observable<readonly Capability[]>,
  options: HandshakeOptions = {},
) =>
  set$.pipe(
    handshake(fetch, { scheduler, random: () => 0.5, capabilityRefreshMs: Infinity, ...options }),
    map(({ id, state }) => [id, state.compatibility ?? 'still', ...(state.models ?? [])].join(' ')),
  );

describe('handshake', () => {
  marble('a node is pending as soon as it is connected, and compatible once it has answered', (m) => {
    const answer = m.cold('--a|', { a: one });
    const result = told(m, m.hot('c-r------', sets), () => answer);
    m.expectObservable(result).toBe('--p--k---', { p: 'hub pending', k: 'hub compatible one' });
    m.expectSubscriptions(answer.subscriptions).toBe('--^--!');
  });

  marble('nothing is asked of a node that is not connected', (m) => {
    const answer = m.cold('a|', { a: one });
    m.expectObservable(told(m, m.hot('c-d-c-0-|', sets), () => answer)).toBe('--------|');
    m.expectSubscriptions(answer.subscriptions).toBe([]);
  });

  marble('an answer of an older connection no longer counts', (m) => {
    const first = m.cold(' -----a|', { a: one });
    const second = m.cold('----b|', { b: two });
    const answers = [first, second];
    const result = told(m, m.hot('r-d-s------', sets), () => answers.shift()!);
    m.expectObservable(result).toBe('p---p----k-', { p: 'hub pending', k: 'hub compatible two' });
    m.expectSubscriptions(first.subscriptions).toBe(' ^-!');
    m.expectSubscriptions(second.subscriptions).toBe('----^----!');
  });

  marble('an answer from an older address no longer counts', (m) => {
    const first = m.cold(' -----a|', { a: one });
    const second = m.cold('----b|', { b: two });
    const answers = [first, second];
    const result = told(m, m.hot('r--m-------', sets), () => answers.shift()!);
    m.expectObservable(result).toBe('p--p----k--', { p: 'hub pending', k: 'hub compatible two' });
    m.expectSubscriptions(first.subscriptions).toBe('^--!');
  });

  marble('a snapshot that changes nothing of the connection asks nothing again', (m) => {
    const answer = m.cold('-a|', { a: one });
    m.expectObservable(told(m, m.hot('r-s-r-s--', sets), () => answer)).toBe('p-k------', {
      p: 'hub pending',
      k: 'hub compatible one',
    });
    m.expectSubscriptions(answer.subscriptions).toBe('^-!');
  });

  marble('a hub that warms up is asked again after 1, 2, 4, 8 and 8 s, for as long as it takes', (m) => {
    const failing = m.cold<readonly Capability[]>('#', {}, unavailable);
    const answer = m.cold('(a|)', { a: one });
    let tries = 0;
    const fetch = () => (tries++ < 5 ? failing : answer);
    const result = told(m, m.hot('r', sets), fetch);
    m.expectObservable(result).toBe('(ps) 996ms s 1999ms s 3999ms s 7999ms s 7999ms k', {
      p: 'hub pending',
      s: 'hub still',
      k: 'hub compatible one',
    });
    m.expectSubscriptions(failing.subscriptions).toBe(['(^!)', '1s (^!)', '3s (^!)', '7s (^!)', '15s (^!)']);
  });

  marble('a node that names no capability yet is asked again', (m) => {
    const answers = [m.cold('(e|)', { e: [] as readonly Capability[] }), m.cold('(a|)', { a: one })];
    m.expectObservable(told(m, m.hot('r', sets), () => answers.shift()!)).toBe('(ps) 996ms k', {
      p: 'hub pending',
      s: 'hub still',
      k: 'hub compatible one',
    });
  });

  marble('a node that knows none of the methods is incompatible and asked no more until it reconnects', (m) => {
    const unknown = m.cold<readonly Capability[]>('-#', {}, new FleetError('UNIMPLEMENTED', 'unknown service'));
    m.expectObservable(told(m, m.hot('r 20s d-r---', sets), () => unknown)).toBe('pi 19999ms --pi', {
      p: 'hub pending',
      i: 'hub incompatible',
    });
    m.expectSubscriptions(unknown.subscriptions).toBe(['^!', '20003ms ^!']);
  });

  marble('an asking that never ends counts as failed after the timeout', (m) => {
    const silent = m.cold<readonly Capability[]>('');
    const answers: Observable<readonly Capability[]>[] = [silent, m.cold('(a|)', { a: one })];
    const result = told(m, m.hot('r', sets), () => answers.shift()!, { capabilityTimeoutMs: 10 });
    m.expectObservable(result).toBe('p 9ms s 999ms k', { p: 'hub pending', s: 'hub still', k: 'hub compatible one' });
    m.expectSubscriptions(silent.subscriptions).toBe('^ 9ms !');
  });

  marble('a connected node is asked again, so that a change of its models is seen', (m) => {
    const answers = [one, one, two].map((a) => m.cold('(a|)', { a }));
    let asked = 0;
    const result = told(m, m.hot('r', sets), () => answers[asked++]!, { capabilityRefreshMs: 100 });
    m.expectObservable(result, '201ms !').toBe('(pk) 196ms n', {
      p: 'hub pending',
      k: 'hub compatible one',
      n: 'hub compatible two',
    });
  });

  marble('a refresh that fails leaves the node as it was', (m) => {
    const answers = [
      m.cold('(a|)', { a: one }),
      m.cold<readonly Capability[]>('#', {}, unavailable),
      m.cold('(a|)', { a: one }),
    ];
    let asked = 0;
    const result = told(m, m.hot('r', sets), () => answers[asked++] ?? NEVER, { capabilityRefreshMs: 100 });
    m.expectObservable(result, '3s !').toBe('(pk)', { p: 'hub pending', k: 'hub compatible one' });
  });

  marble('a node that denies a task that it offers is asked at once', (m) => {
    const answers = [m.cold('(a|)', { a: one }), m.cold('(b|)', { b: two })];
    const result = told(m, m.hot('r-----', sets), () => answers.shift()!, { again$: m.hot('-----a', { a: 'hub' }) });
    m.expectObservable(result).toBe('(pk)-n', { p: 'hub pending', k: 'hub compatible one', n: 'hub compatible two' });
  });

  marble('a node of another major version is never routed, an old one only with legacyNodes', (m) => {
    const values = { p: 'hub pending', i: 'hub incompatible one', k: 'hub compatible one' };
    const ask = (a: readonly Capability[]) => () => m.cold('-(a|)', { a });
    m.expectObservable(told(m, m.hot('r--', sets), ask(future))).toBe('pi-', values);
    m.expectObservable(told(m, m.hot('r--', sets), ask(old))).toBe('pk-', values);
    m.expectObservable(told(m, m.hot('r--', sets), ask(old), { legacyNodes: false })).toBe('pi-', values);
  });

  marble('each node is asked for itself', (m) => {
    const result = told(m, m.hot('x-y---', sets), ({ id }) => m.cold('---(a|)', { a: offers(id) }));
    m.expectObservable(result).toBe('p-qk-l', {
      p: 'x pending',
      q: 'y pending',
      k: 'x compatible x',
      l: 'y compatible y',
    });
  });

  marble('a node that is no longer listed is asked no more', (m) => {
    const answer = m.cold('----a|', { a: one });
    m.expectObservable(told(m, m.hot('r-0---', sets), () => answer)).toBe('p-----', { p: 'hub pending' });
    m.expectSubscriptions(answer.subscriptions).toBe('^-!');
  });

  marble('unsubscribing cancels what is being asked, and every timer', (m) => {
    const answer = m.cold('----a|', { a: one });
    m.expectObservable(
      told(m, m.hot('r', sets), () => answer),
      '--!',
    ).toBe('p', { p: 'hub pending' });
    m.expectSubscriptions(answer.subscriptions).toBe('^-!');
  });

  marble('a fetch that throws is a failure like any other', (m) => {
    const fetch = () => {
      throw unavailable;
    };
    m.expectObservable(told(m, m.hot('r', sets), fetch), '--!').toBe('(ps)', { p: 'hub pending', s: 'hub still' });
  });

  marble('the end and the error of the node sets pass', (m) => {
    const fail = () => throwError(() => unavailable);
    m.expectObservable(told(m, m.hot('-|', sets), fail)).toBe('-|');
    m.expectObservable(told(m, m.hot('-#', sets, unavailable), fail)).toBe('-#', {}, unavailable);
  });
});
