import { setTimeout as sleep } from 'node:timers/promises';
import { realXdsClients } from '../support/xdsClients.js';
import { startGreeter } from '../support/greeter.js';
import { startXdsControlPlane } from '../support/xdsControlPlane.js';
import { cluster, endpoints, listener, routes, routeTo } from '../support/xdsResources.js';
it('dbg', async () => {
  const plane = await startXdsControlPlane();
  const g = await startGreeter({ name: 'a' });
  plane.put(['lds', 'shop', listener('shop', 'r')], ['rds', 'r', routes('r', [routeTo({ c: 1 })])], ['cds', 'c', cluster('c')], ['eds', 'c', endpoints('c', [{ endpoints: [{ port: g.port }] }])]);
  const real = await realXdsClients();
  for (const start of real.start) {
    const c = start({ xds_servers: [{ server_uri: plane.address, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }], node: { id: 'x', locality: {} } });
    console.log(c.name, await c.spread(3));
    plane.requests.length = 0;
    plane.put(['lds', 'shop', undefined]);
    await sleep(300);
    console.log(c.name, await c.spread(3));
    plane.put(['lds', 'shop', listener('shop', 'r')]);
    await sleep(500);
    console.log(c.name, await c.spread(3));
    await sleep(3000);
    console.log(c.name, await c.spread(3));
    console.log(JSON.stringify(plane.requests.map(({ type, kind, names, error }) => [type, kind, names.join(), error])));
    c.stop();
  }
  await plane.close(); await g.close();
}, 40000);
