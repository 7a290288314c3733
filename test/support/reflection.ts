/** A Greeter that tells what it looks like: gRPC's server reflection, v1 or v1alpha, over its own descriptors. */

import { create, toBinary, type DescFile } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { methodOf, type Method } from '../../src/core/method.js';
import {
  ChatMessageSchema,
  file_demo_greeter,
  Greeter,
  HelloReplySchema,
  type HelloRequest,
} from '../../src/gen/demo/greeter_pb.js';
import { file_grpc_health } from '../../src/gen/grpc/health_pb.js';
import {
  ServerReflection,
  ServerReflectionResponseSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../src/gen/grpc/reflection_pb.js';
import { openGrpcServer, serve, type GrpcServer, type ServedMethod } from '../../src/testing/grpcServer.js';

const files: readonly DescFile[] = [file_demo_greeter, file_grpc_health];

/** The reflection service; each file is told alone, so that clients have to ask for what it imports. */
function reflection(version: 'v1' | 'v1alpha'): ServedMethod {
  const v1 = methodOf(ServerReflection.method.serverReflectionInfo);
  const method: Method<ServerReflectionRequest, ServerReflectionResponse> = {
    ...v1,
    path: v1.path.replace('.v1.', `.${version}.`),
  };
  return serve(method, async (call) => {
    for await (const originalRequest of call.requests) {
      const messageResponse = answer(originalRequest.messageRequest);
      await call.send(create(ServerReflectionResponseSchema, { originalRequest, messageResponse }));
    }
  });
}

function answer({
  case: kind,
  value,
}: ServerReflectionRequest['messageRequest']): ServerReflectionResponse['messageResponse'] {
  const empty = create(ServerReflectionResponseSchema, {
    messageResponse: { case: 'errorResponse', value: { errorCode: 5, errorMessage: `no ${String(value)} here` } },
  });
  if (kind === 'listServices') {
    const service = files.flatMap((file) => file.services.map(({ typeName }) => ({ name: typeName })));
    return create(ServerReflectionResponseSchema, {
      messageResponse: { case: 'listServicesResponse', value: { service } },
    }).messageResponse;
  }
  const found = files.find(
    (file) =>
      (kind === 'fileByFilename' && file.proto.name === value) ||
      (kind === 'fileContainingSymbol' && file.services.some(({ typeName }) => typeName === value)),
  );
  if (!found) return empty.messageResponse;
  const bytes = toBinary(FileDescriptorProtoSchema, found.proto);
  return create(ServerReflectionResponseSchema, {
    messageResponse: { case: 'fileDescriptorResponse', value: { fileDescriptorProto: [bytes] } },
  }).messageResponse;
}

export interface ReflectedGreeter extends GrpcServer {
  /** `host:port` */
  readonly address: string;
  /** The headers `x-tenant` of the calls, in their order. */
  readonly tenants: readonly (string | undefined)[];
}

/** Starts a Greeter that has the reflection service of that version, or none. */
export async function startReflectedGreeter(version: 'v1' | 'v1alpha' | 'none' = 'v1'): Promise<ReflectedGreeter> {
  const { sayHello, lotsOfReplies, lotsOfGreetings, chat } = Greeter.method;
  const tenants: (string | undefined)[] = [];
  const reply = (message: string, seq = 0) => create(HelloReplySchema, { message, seq, node: 'reflected' });
  const server = await openGrpcServer({
    methods: [
      ...(version === 'none' ? [] : [reflection(version)]),
      serve(methodOf(sayHello), async (call) => {
        tenants.push(call.header('x-tenant'));
        for await (const { name } of call.requests) await call.send(reply(`Hello, ${name}`));
      }),
      serve(methodOf(lotsOfReplies), async (call) => {
        for await (const { name, replies } of call.requests) {
          for (let seq = 0; seq < replies; seq++) await call.send(reply(`Hello, ${name}`, seq));
        }
      }),
      serve(methodOf(lotsOfGreetings), async (call) => {
        const names: string[] = [];
        for await (const { name } of call.requests as AsyncIterable<HelloRequest>) names.push(name);
        await call.send(reply(`Hello, ${names.join(', ')}`, names.length));
      }),
      serve(methodOf(chat), async (call) => {
        for await (const { text } of call.requests)
          await call.send(create(ChatMessageSchema, { text: text.toUpperCase() }));
      }),
    ],
  });
  return Object.assign(server, { address: `127.0.0.1:${server.port}`, tenants });
}
