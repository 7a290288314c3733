/** Calls that end before their answer: by a deadline, or because nobody wants them any more. */

import { equal, ok } from 'node:assert/strict';
import { hello, stream } from './hello.js';
import type { TestCase } from './testCase.js';
import { until } from './until.js';

export function earlyEndCases(test: TestCase): void {
  test('the deadline is on the wire and ends the call', async ({ channel }) => {
    const asked = hello(channel, { name: 'deadline' }, { deadline: Date.now() + 5_000 });
    await asked.ended;
    const left = Number(asked.messages[0]?.message);
    ok(left > 3_000 && left <= 5_100, `the node saw ${left} ms left of 5,000`);
    const startedAt = Date.now();
    const hung = hello(channel, { name: 'hang' }, { deadline: startedAt + 150 });
    equal((await hung.ended).code, 'DEADLINE_EXCEEDED');
    const took = Date.now() - startedAt;
    ok(took >= 140 && took < 2_000, `ended after ${took} ms`);
  });

  test('a deadline holds while connecting, too', async ({ open, blackHole }) => {
    const channel = open([(await blackHole()).address], { connectDeadlineMs: 5_000 });
    const status = await hello(channel, {}, { deadline: Date.now() + 100 }).ended;
    equal(status.code, 'DEADLINE_EXCEEDED');
    ok(!status.sent);
  });

  test('cancel reaches the node at once, and nothing follows it here', async ({ channel, node }) => {
    const call = stream(channel, { name: 'hang', replies: 3 });
    await call.received(3);
    call.call.cancel();
    call.call.cancel();
    await until(() => node.cancelled === 1, 'the node sees the cancel', 1_000);
    equal(call.status, undefined);
  });

  test('a call that is cancelled before there is a connection never reaches the node', async ({ channel, node }) => {
    const call = hello(channel, { name: 'hang' });
    call.call.cancel();
    equal((await hello(channel, { name: 'Ada' }).ended).code, 'OK');
    equal(node.hanging, 0);
    equal(call.status, undefined);
  });
}
