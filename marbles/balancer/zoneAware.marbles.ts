import { map } from 'rxjs';
import { zoneAware } from '../../src/balancer/zoneAware.js';
import { createNode, updateNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from './chances.js';
import { lifecycle } from './lifecycle.js';

const node = (id: string, zone: string) => createNode({ id, address: `${id}.example:50051`, zone });
const [e, f, u, v] = [node('e', 'eu'), node('f', 'eu'), node('u', 'us'), node('v', 'us')];
const w = node('w', 'us');
const here = { zone: 'eu', minNodes: 2 };

describe('zoneAware', () => {
  marble('calls stay in the zone while it has its share of the nodes', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: [u, e, v, f] }).pipe(zoneAware(here));
    picks('-pppp--|');
    expectPicks('-efef--|');
  });

  marble('a quarter of the nodes for half of the callers: half of the calls stay', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a-------|', { a: [e, u, v, w] }).pipe(zoneAware({ ...here, random: chances(0.1, 0.49, 0.51, 0.9, 0.95) }));
    picks('-ppppp--|');
    expectPicks('-eeuvw--|');
  });

  marble('a zone that loses a node spills, and takes its calls back', ({ nodes, picks, expectPicks }) => {
    const gone = updateNode(f, { availability: 'unavailable' });
    nodes('a----b----a---|', { a: [e, f, u, v], b: [e, gone, u, v] }).pipe(zoneAware({ ...here, random: () => 0.7 }));
    picks('-pp---pp---pp-|');
    expectPicks('-ef---uv---ef-|');
  });

  marble('with few nodes zones are ignored', ({ nodes, picks, expectPicks }) => {
    nodes('a------|', { a: [e, u, v] }).pipe(zoneAware({ zone: 'eu' }));
    picks('-ppp---|');
    expectPicks('-euv---|');
  });

  marble('nobody in the zone: another one takes the call', ({ nodes, picks, expectPicks }) => {
    nodes('a----|', { a: [u, v] }).pipe(zoneAware({ zone: 'eu', minNodes: 1 }));
    picks('-pp--|');
    expectPicks('-uv--|');
  });

  marble('a node that was tried gives way to its own zone first, then to another', (helpers) => {
    const { nodes, picks, expectPicks } = helpers;
    nodes('a-----|', { a: [e, f, u] }).pipe(zoneAware(here));
    picks('-tuws-|', {
      t: { exclude: new Set(['e']) },
      u: { exclude: new Set(['e', 'f']) },
      w: { exclude: new Set(['e', 'f', 'u']) },
      s: { exclude: new Set(['e', 'f', 'u']), strict: true },
    });
    expectPicks('-fue0-|');
  });

  marble('a change of the callers spreads the same nodes anew', ({ cold, hot, expectObservable }) => {
    const callers = { x: NodeSet.of([e, f, u]), y: NodeSet.of([e, u, v]) };
    const picker$ = cold('a------|', { a: NodeSet.of([e, u, v]) }).pipe(
      zoneAware({ ...here, clients: hot('--x--y-', callers), random: () => 0.9 }),
    );
    const zone$ = picker$.pipe(map((picker) => picker.pick({}).why.strategy.slice(0, 19)));
    // Nothing is known of them; a third of the nodes for two thirds of them; for a third.
    expectObservable(zone$).toBe('a-x--y-|', {
      a: 'zone_aware (all zon',
      x: 'zone_aware (zone us',
      y: 'zone_aware (zone eu',
    });
  });

  lifecycle(() => zoneAware({ zone: 'eu' }));
});
