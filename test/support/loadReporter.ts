/** A Greeter that reports its load by grpc-js's own ORCA, which gRPC's authors wrote: in trailers, and out of band. */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, ServerMetricRecorder, status } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import { methodOf } from '../../src/core/method.js';
import {
  Greeter,
  HelloReplySchema,
  HelloRequestSchema,
  type HelloReply,
  type HelloRequest,
} from '../../src/gen/demo/greeter_pb.js';

/** What grpc-js gives a call to write its report with. */
export type CallRecorder = ReturnType<ServerUnaryCall<HelloRequest, HelloReply>['getMetricsRecorder']>;

export interface LoadReporter {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly calls: number;
  /** Writes the report of each call. */
  report: (recorder: CallRecorder) => void;
  /** Calls fail as UNAVAILABLE, and report all the same. */
  failing: boolean;
  /** What it reports out of band. */
  readonly outOfBand: ServerMetricRecorder;
  close(): void;
}

export async function startLoadReporter(name = 'node'): Promise<LoadReporter> {
  const server = new Server({ 'grpc.server_call_metric_recording': 1 });
  const outOfBand = new ServerMetricRecorder();
  const reporter = { report: (_: CallRecorder) => undefined as void, failing: false, calls: 0 };
  const sayHello = (call: ServerUnaryCall<HelloRequest, HelloReply>, done: sendUnaryData<HelloReply>): void => {
    reporter.calls++;
    reporter.report(call.getMetricsRecorder());
    if (reporter.failing) done({ code: status.UNAVAILABLE, details: 'told to fail' });
    else done(null, create(HelloReplySchema, { message: `Hello, ${call.request.name}`, node: name }));
  };
  server.register(
    methodOf(Greeter.method.sayHello).path,
    sayHello as never,
    (reply: HelloReply) => Buffer.from(toBinary(HelloReplySchema, reply)),
    (bytes: Buffer) => fromBinary(HelloRequestSchema, bytes),
    'unary',
  );
  outOfBand.addToServer(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return Object.assign(reporter, {
    ...{ name, port, outOfBand, address: `127.0.0.1:${port}` },
    close: () => server.forceShutdown(),
  });
}
