/** The life of a channel: its states, the goodbye of its node, and its own end. */

import { deepStrictEqual, equal, match, ok } from 'node:assert/strict';
import type { ConnectivityState } from '../../core/channel.js';
import { hello } from './hello.js';
import type { TestCase } from './testCase.js';
import { reached, until } from './until.js';

export function lifeCases(test: TestCase): void {
  test('the state goes IDLE, CONNECTING, READY, and SHUTDOWN at the end', async ({ open, node }) => {
    const channel = open([node.address]);
    const states: ConnectivityState[] = [];
    let completed = false;
    channel.state$.subscribe({ next: (state) => states.push(state), complete: () => (completed = true) });
    equal(node.connections, 0, 'nothing is opened before it is asked for');
    channel.connect();
    await reached(channel, 'READY');
    node.kill();
    await reached(channel, 'IDLE');
    channel.close();
    channel.close();
    deepStrictEqual(states, ['IDLE', 'CONNECTING', 'READY', 'IDLE', 'SHUTDOWN']);
    ok(completed);
    equal(channel.state, 'SHUTDOWN');
  });

  test(
    'a node that says goodbye lets running calls end, and gets no new ones',
    async ({ channel, node }) => {
      const call = hello(channel, { name: 'later' });
      await until(() => node.hanging === 1, 'the call arrives');
      const closed = node.close();
      await reached(channel, 'IDLE');
      node.answer();
      equal((await call.ended).code, 'OK', call.status?.message);
      equal(call.messages[0]?.message, 'late');
      await closed;
      const next = await hello(channel, {}).ended;
      equal(next.code, 'UNAVAILABLE');
      ok(!next.sent);
    },
    'goodbye',
  );

  test('close() ends calls in flight as UNAVAILABLE and leaves no socket', async ({ open, node, blackHole }) => {
    const before = sockets();
    const channel = open([node.address]);
    const running = hello(channel, { name: 'hang' });
    await until(() => node.hanging === 1, 'the call arrives');
    const silent = await blackHole();
    const connecting = open([silent.address]);
    const waiting = hello(connecting, {});
    await silent.connected;
    channel.close();
    connecting.close();
    for (const { ended } of [running, waiting]) {
      const status = await ended;
      equal(status.code, 'UNAVAILABLE');
      match(status.message, /closed/);
    }
    await until(() => node.connections === 0 && silent.connections() === 0, 'both servers see their client go');
    await until(() => sockets() <= before, 'no socket is left');
    const late = hello(channel, {});
    const status = await late.ended;
    equal(status.code, 'UNAVAILABLE');
    ok(!status.sent && !late.synchronous);
  });
}

/** How many TCP sockets this process has. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS)(Socket|Connect)?Wrap$|TCPConnect/.test(name))
    .length;
}
