/** How much goes at once: credit, a wire that is full, and the limits of one message. */

import { deepStrictEqual, equal, ok } from 'node:assert/strict';
import { chat, hello, lotsOfReplies } from './hello.js';
import { RecordedCall } from './recordedCall.js';
import type { TestCase } from './testCase.js';
import { drained, settled, until } from './until.js';

export function flowCases(test: TestCase): void {
  test('without credit nothing comes, and the node is held back', async ({ channel, node }) => {
    const total = 200;
    const call = new RecordedCall(channel, lotsOfReplies);
    call.call.send(lotsOfReplies.message({ name: 'firehose', replies: total }));
    call.call.halfClose();
    call.call.request(2);
    await call.received(2);
    await settled(() => node.poured);
    equal(call.messages.length, 2);
    ok(node.poured < total / 2, `the node wrote ${node.poured} of ${total} messages of 64 KiB unread`);
    call.call.request(1);
    await call.received(3);
    call.call.request(Infinity);
    equal((await call.ended).code, 'OK', call.status?.message);
    deepStrictEqual(
      call.messages.map(({ seq }) => seq),
      [...Array(total).keys()],
    );
  });

  test('a stream of no messages ends without any credit', async ({ channel }) => {
    const call = new RecordedCall(channel, lotsOfReplies);
    call.call.send(lotsOfReplies.message({ replies: 0 }));
    call.call.halfClose();
    equal((await call.ended).code, 'OK', call.status?.message);
  });

  test(
    'a node that does not read makes send() say false, and drain comes when it reads',
    async ({ channel, node }) => {
      const call = new RecordedCall(channel, chat);
      call.call.request(Infinity);
      call.call.send(chat.message({ text: 'wait' }));
      await call.received(1);
      const text = 'x'.repeat(64 * 1024);
      let sent = 1;
      // Goes on while the wire takes it: a `true`, or a drain after a `false`.
      let writable = true;
      while (writable && sent < 1_000) {
        const drains = call.drains;
        writable = call.call.send(chat.message({ text }));
        sent++;
        if (!writable) writable = await drained(call, drains);
      }
      ok(sent < 1_000, 'send() never said that the wire is full');
      const drains = call.drains;
      node.listen();
      await until(() => call.drains > drains, 'drain comes');
      call.call.halfClose();
      equal((await call.ended).code, 'OK', call.status?.message);
      equal(call.messages.length, sent);
    },
    'bidiStreaming',
  );

  test('messages of 15 MiB pass by default, larger ones end as RESOURCE_EXHAUSTED', async ({ channel }) => {
    const MiB = 1024 * 1024;
    const large = hello(channel, { name: 'size', replies: 15 * MiB });
    equal((await large.ended).code, 'OK', large.status?.message);
    equal(large.messages[0]?.payload.length, 15 * MiB);
    const request = hello(channel, { name: 'Ada', payload: new Uint8Array(15 * MiB) });
    equal((await request.ended).code, 'OK', request.status?.message);
    equal((await hello(channel, { name: 'size', replies: 17 * MiB }).ended).code, 'RESOURCE_EXHAUSTED');
    equal((await hello(channel, { name: 'Ada' }).ended).code, 'OK');
  });

  test('the limits of message sizes are options', async ({ open, node }) => {
    const channel = open([node.address], { maxReceiveBytes: 1_000, maxSendBytes: 1_000 });
    equal((await hello(channel, { name: 'size', replies: 2_000 }).ended).code, 'RESOURCE_EXHAUSTED');
    const status = await hello(channel, { payload: new Uint8Array(2_000) }).ended;
    equal(status.code, 'RESOURCE_EXHAUSTED', status.message);
    ok(!status.sent, 'a message that is too long to send was not sent');
  });

  test('one call may be given tighter limits than the rest', async ({ channel }) => {
    const limits = { maxSendBytes: 1_000, maxReceiveBytes: 1_000 };
    const answer = await hello(channel, { name: 'size', replies: 2_000 }, limits).ended;
    equal(answer.code, 'RESOURCE_EXHAUSTED', answer.message);
    ok(answer.sent, 'a call whose answer is too long has reached the node');
    const request = await hello(channel, { payload: new Uint8Array(2_000) }, limits).ended;
    equal(request.code, 'RESOURCE_EXHAUSTED', request.message);
    ok(!request.sent, 'a message that is too long to send was not sent');
    equal((await hello(channel, { name: 'Ada' }, limits).ended).code, 'OK');
    const empty = await hello(channel, { name: 'Ada' }, { maxSendBytes: 0 }).ended;
    equal(empty.code, 'RESOURCE_EXHAUSTED', 'with a limit of 0 only an empty message passes');
    equal((await hello(channel, {}, { maxSendBytes: 0 }).ended).code, 'OK');
  });
}
