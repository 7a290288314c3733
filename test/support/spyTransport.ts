/** A transport that notes what goes over it. */

import type { ActiveCall, CallSink, Channel, Transport } from '../../src/core/channel.js';
import type { Method } from '../../src/core/method.js';

export interface SpiedMessage {
  /** The last part of the path of the method, such as `Range`. */
  readonly method: string;
  readonly message: any;
}

export interface SpyTransport extends Transport {
  readonly sent: SpiedMessage[];
  readonly received: SpiedMessage[];
  /** The nodes that were dialled, by address. */
  readonly dialled: string[];
}

export function spyTransport(transport: Transport): SpyTransport {
  const sent: SpiedMessage[] = [];
  const received: SpiedMessage[] = [];
  const dialled: string[] = [];
  return {
    ...{ name: transport.name, sent, received, dialled },
    open(node) {
      dialled.push(`${node.address.host}:${node.address.port}`);
      const channel = transport.open(node);
      const start = channel.start.bind(channel);
      const spied = Object.create(channel, {
        start: {
          value: <I, O>(method: Method<I, O>, context: object, sink: CallSink<O>): ActiveCall<I> => {
            const name = method.path.slice(method.path.lastIndexOf('/') + 1);
            const call = start(method, context, {
              headers: (metadata) => sink.headers(metadata),
              message: (message) => {
                received.push({ method: name, message });
                sink.message(message);
              },
              end: (status) => sink.end(status),
              drain: () => sink.drain(),
            });
            return {
              send: (message) => {
                sent.push({ method: name, message });
                return call.send(message);
              },
              halfClose: () => call.halfClose(),
              request: (count) => call.request(count),
              cancel: () => call.cancel(),
            };
          },
        },
        // A class with private fields answers only to itself.
        state: { get: () => channel.state },
        state$: { get: () => channel.state$ },
        close: { value: () => channel.close() },
        connect: { value: () => channel.connect() },
      }) as Channel;
      return spied;
    },
  };
}
