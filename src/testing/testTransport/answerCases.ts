/** What a node answers: every shape of call, in order and complete, with its metadata. */

import { deepStrictEqual, equal, ok } from 'node:assert/strict';
import { toBinary } from '@bufbuild/protobuf';
import { chat, hello, lotsOfGreetings, lotsOfReplies, stream } from './hello.js';
import { RecordedCall } from './recordedCall.js';
import type { TestCase } from './testCase.js';
import { bytes } from './testNode.js';

export function answerCases(test: TestCase): void {
  test('a unary call gives its one answer, then OK', async ({ channel }) => {
    const call = hello(channel, { name: 'Ada', payload: bytes });
    const status = await call.ended;
    equal(status.code, 'OK', status.message);
    equal(call.messages[0]?.message, 'hello Ada');
    deepStrictEqual(Uint8Array.from(call.messages[0]!.payload), bytes);
    ok(!call.synchronous, 'the sink was called within start()');
    deepStrictEqual(call.afterEnd, []);
  });

  test('a thousand calls at once each get their own answer', async ({ channel }) => {
    const calls = Array.from({ length: 1_000 }, (_, i) => hello(channel, { name: `n${i}` }));
    await Promise.all(calls.map(({ ended }) => ended));
    deepStrictEqual(
      calls.map(({ messages }) => messages[0]?.message),
      calls.map((_, i) => `hello n${i}`),
    );
  });

  test('a server stream comes in order and complete', async ({ channel }) => {
    const call = stream(channel, { name: 'Ada', replies: 500 });
    equal((await call.ended).code, 'OK', call.status?.message);
    deepStrictEqual(
      call.messages.map(({ seq }) => seq),
      [...Array(500).keys()],
    );
  });

  test('a client stream arrives complete', async ({ channel }) => {
    const call = new RecordedCall(channel, lotsOfGreetings);
    call.call.request(1);
    for (let i = 0; i < 500; i++) call.call.send(lotsOfGreetings.message({ name: `n${i}` }));
    call.call.halfClose();
    equal((await call.ended).code, 'OK', call.status?.message);
    equal(call.messages[0]?.seq, 500);
  });

  test(
    'a chat goes both ways at once',
    async ({ channel }) => {
      const call = new RecordedCall(channel, chat);
      call.call.request(Infinity);
      for (let i = 1; i <= 5; i++) {
        call.call.send(chat.message({ text: `${i}` }));
        await call.received(i);
      }
      call.call.halfClose();
      equal((await call.ended).code, 'OK', call.status?.message);
      deepStrictEqual(
        call.messages.map(({ text }) => text),
        ['1', '2', '3', '4', '5'],
      );
    },
    'bidiStreaming',
  );

  test('who watches a call is told of each message with its size, and at the end of all of them', async ({
    channel,
  }) => {
    const told: string[] = [];
    const watcher = {
      sent: (length: number) => void told.push(`sent ${length}`),
      received: (length: number) => void told.push(`received ${length}`),
    };
    const call = stream(channel, { name: 'Ada', replies: 2, payload: bytes }, { watcher });
    const { code, message, sentBytes, receivedBytes } = await call.ended;
    equal(code, 'OK', message);
    const request = lotsOfReplies.encode(lotsOfReplies.message({ name: 'Ada', replies: 2, payload: bytes })).length;
    const answers = call.messages.map((answer) => toBinary(lotsOfReplies.descriptor.output, answer).length);
    equal(answers.length, 2);
    deepStrictEqual(told, [`sent ${request}`, ...answers.map((length) => `received ${length}`)]);
    deepStrictEqual([sentBytes, receivedBytes], [request, answers[0]! + answers[1]!]);
  });

  test('a message that cannot be encoded ends its call as INTERNAL, watched or not', async ({ channel }) => {
    const nobody = { sent: () => undefined, received: () => undefined };
    for (const context of [{}, { watcher: nobody }, { maxSendBytes: 1_000 }]) {
      const call = hello(channel, { name: 'Ada', replies: -5 }, context);
      equal((await call.ended).code, 'INTERNAL', call.status?.message);
    }
  });

  test('metadata goes out, headers and trailers come back, bytes in those that end in -bin', async ({ channel }) => {
    const metadata = { 'x-text': 'a b', 'x-data-bin': bytes, 'x-many': ['one', 'two'] };
    const call = hello(channel, { name: 'metadata' }, { metadata });
    const { code, trailers, message } = await call.ended;
    equal(code, 'OK', message);
    const { headersSeen: headers } = call;
    equal(headers?.['x-text'], 'a b');
    deepStrictEqual(Uint8Array.from(headers?.['x-data-bin'] as Uint8Array), bytes);
    deepStrictEqual([headers?.['x-many']].flat().join().replace(/\s/g, ''), 'one,two');
    equal(trailers['x-trailer'], 'last');
    deepStrictEqual(Uint8Array.from(trailers['x-trailer-bin'] as Uint8Array), bytes);
  });
}
