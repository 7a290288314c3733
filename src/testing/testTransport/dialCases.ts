/** How a connection comes about, or does not. */

import { equal, match, ok } from 'node:assert/strict';
import { hello } from './hello.js';
import type { TestCase } from './testCase.js';
import { startTestNode } from './testNode.js';
import { reached } from './until.js';
import { freeAddress } from './world.js';

export function dialCases(test: TestCase): void {
  test('a refused connection is UNAVAILABLE, says where, and surely not sent', async ({ open }) => {
    const address = await freeAddress();
    const channel = open([address]);
    const call = hello(channel, {});
    const status = await call.ended;
    equal(status.code, 'UNAVAILABLE');
    ok(!status.sent);
    ok(!call.synchronous);
    ok(status.message.includes(address) && /ECONNREFUSED/.test(status.message), status.message);
    equal(channel.state, 'TRANSIENT_FAILURE');
    ok(channel.lastError?.includes(address));
    const next = hello(channel, {});
    equal((await next.ended).code, 'UNAVAILABLE', 'while dialling fails, calls fail at once');
    ok(!next.synchronous && !next.status!.sent);
  });

  test('a node that accepts and never speaks counts as failed past the connect deadline', async (world) => {
    const { address } = await world.blackHole();
    const channel = world.open([address], { connectDeadlineMs: 200 });
    const startedAt = Date.now();
    const status = await hello(channel, {}).ended;
    const took = Date.now() - startedAt;
    equal(status.code, 'UNAVAILABLE');
    ok(!status.sent);
    match(status.message, /200 ms/);
    ok(took >= 190 && took < 2_000, `after ${took} ms`);
    equal(channel.state, 'TRANSIENT_FAILURE');
  });

  test('a connection that failed is dialled again by itself, and connect() does not wait', async ({ open }) => {
    const address = await freeAddress();
    const channel = open([address], { initialReconnectMs: 60_000 });
    channel.connect();
    await reached(channel, 'TRANSIENT_FAILURE');
    const node = await startTestNode({ port: Number(address.split(':')[1]) });
    try {
      channel.connect();
      await reached(channel, 'READY');
      equal(channel.lastError, undefined);
      equal((await hello(channel, { name: 'Ada' }).ended).code, 'OK');
    } finally {
      node.kill();
    }
  });

  test('backoff leads to another dial without being asked', async ({ open }) => {
    const address = await freeAddress();
    const channel = open([address], { initialReconnectMs: 50, maxReconnectMs: 50 });
    channel.connect();
    await reached(channel, 'TRANSIENT_FAILURE');
    const node = await startTestNode({ port: Number(address.split(':')[1]) });
    try {
      await reached(channel, 'READY');
    } finally {
      node.kill();
    }
  });

  test('of several addresses a dead first one costs little', async ({ open, node, blackHole }) => {
    const refused = open([await freeAddress(), node.address]);
    equal((await hello(refused, { name: 'Ada' }).ended).code, 'OK');
    const startedAt = Date.now();
    const silent = open([(await blackHole()).address, node.address], { connectDeadlineMs: 5_000 });
    equal((await hello(silent, { name: 'Ada' }).ended).code, 'OK');
    const took = Date.now() - startedAt;
    ok(took < 1_500, `the second address was tried after ${took} ms`);
    const all = open([await freeAddress(), await freeAddress()]);
    match((await hello(all, {}).ended).message, /none of 2 addresses/);
  });
}
