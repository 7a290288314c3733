import { create } from '@bufbuild/protobuf';
import { map, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { CapabilitySchema } from '../../src/gen/lumen/inference_pb.js';
import { fetchCapabilities, type Ask } from '../../src/lumen/fetchCapabilities.js';
import { marble } from '../../src/testing/marble.js';

const [a, b] = ['a', 'b'].map((serviceName) => create(CapabilitySchema, { serviceName, protocolVersion: '1.0' }));
const unknown = new FleetError('UNIMPLEMENTED', 'unknown method');
const starting = new FleetError('UNAVAILABLE', 'starting');
const services = (ask: Ask) => fetchCapabilities(ask).pipe(map((all) => all.map(({ service }) => service).join(' ')));
/** Answers by method. */
const node =
  (stream$: Observable<unknown>, get$: Observable<unknown>): Ask =>
  (method) =>
    (method.path.endsWith('/StreamCapabilities') ? stream$ : get$) as Observable<never>;

describe('fetchCapabilities', () => {
  marble('all capabilities of the stream, once it has ended; the old method is not asked', (m) => {
    const old = m.cold('-a|', { a });
    m.expectObservable(services(node(m.cold('-a-b-|', { a, b }), old))).toBe('-----(r|)', { r: 'a b' });
    m.expectSubscriptions(old.subscriptions).toBe([]);
  });

  marble('a node that does not know the stream is asked in the old way', (m) => {
    const old = m.cold('-a|', { a });
    m.expectObservable(services(node(m.cold('--#', {}, unknown), old))).toBe('----(r|)', { r: 'a' });
    m.expectSubscriptions(old.subscriptions).toBe('--^-!');
  });

  marble('a node that knows neither is no Lumen node', (m) => {
    m.expectObservable(services(node(m.cold('-#', {}, unknown), m.cold('-#', {}, unknown)))).toBe('--#', {}, unknown);
  });

  marble('other errors pass, and the old method is not asked', (m) => {
    const old = m.cold('-a|', { a });
    m.expectObservable(services(node(m.cold('-#', {}, starting), old))).toBe('-#', {}, starting);
    m.expectSubscriptions(old.subscriptions).toBe([]);
  });

  marble('a node without capabilities answers with none', (m) => {
    m.expectObservable(services(node(m.cold('-|'), m.cold('-|')))).toBe('-(r|)', { r: '' });
  });

  marble('unsubscribing cancels the question', (m) => {
    const stream = m.cold('-a---', { a });
    m.expectObservable(services(node(stream, m.cold('|'))), '--!').toBe('---');
    m.expectSubscriptions(stream.subscriptions).toBe('^-!');
  });
});
