import { filter, firstValueFrom, lastValueFrom } from 'rxjs';
import { pickFirst } from '../../src/balancer/pickFirst.js';
import { createClient } from '../../src/client/client.js';
import { createFleet } from '../../src/client/fleet.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter } from '../support/greeter.js';

describe('pickFirst over real servers', () => {
  it('holds one connection, and moves to the next server when that one dies', async () => {
    const [first, second, third] = await Promise.all(['a', 'b', 'c'].map((name) => startGreeter({ name })));
    const discovery = staticNodes([first!, second!, third!].map(({ name, address }) => ({ id: name, address })));
    await using fleet = createFleet({ discovery, transport: grpcTransport(), balancer: pickFirst() });
    const greeter = createClient(fleet, Greeter);
    const by = async () => (await lastValueFrom(greeter.sayHello({ name: 'Ada' }))).node;
    try {
      await firstValueFrom(fleet.ready());
      expect(await Promise.all([by(), by(), by()])).toEqual(['a', 'a', 'a']);
      expect(['a', 'b', 'c'].filter((id) => fleet.channel(id))).toEqual(['a']);

      const lost = firstValueFrom(fleet.node$('a').pipe(filter(({ availability }) => availability === 'unavailable')));
      await first!.close(0);
      await lost;
      expect(await Promise.all([by(), by()])).toEqual(['b', 'b']);
      await firstValueFrom(fleet.node$('a').pipe(filter(({ availability }) => availability === 'discovered')));
      expect(['a', 'b', 'c'].filter((id) => fleet.channel(id))).toEqual(['b']);
    } finally {
      await Promise.all([second!.close(0), third!.close(0)]);
    }
  });
});
