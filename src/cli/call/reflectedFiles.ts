/** What a service looks like, asked of the nodes themselves by gRPC's server reflection, v1 or else v1alpha. */

import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, type FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { firstValueFrom } from 'rxjs';
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../gen/grpc/reflection_pb.js';
import { FleetError, methodOf, type Caller, type Method, type RpcOptions } from '../../index.js';

type Reflection = Method<ServerReflectionRequest, ServerReflectionResponse>;

const v1: Reflection = methodOf(ServerReflection.method.serverReflectionInfo);
/** The messages are the same. */
const v1alpha: Reflection = { ...v1, path: v1.path.replace('.v1.', '.v1alpha.') };

/**
 * The file of a service, and all that it imports as far as the nodes tell.
 *
 * Errors with `NOT_FOUND`, naming the services that there are, and with `UNIMPLEMENTED` when the nodes have no reflection.
 */
export async function reflectedFiles(
  caller: Caller,
  service: string,
  options: RpcOptions,
): Promise<ReadonlyMap<string, FileDescriptorProto>> {
  const ask = await asking(caller, options);
  const files = new Map<string, FileDescriptorProto>();
  const take = async (request: MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']) => {
    const { messageResponse } = await ask(request);
    if (messageResponse.case === 'errorResponse') {
      const { errorCode, errorMessage } = messageResponse.value;
      return `${errorMessage || 'no message'} (status ${errorCode})`;
    }
    if (messageResponse.case !== 'fileDescriptorResponse') return `an answer of another kind, ${messageResponse.case}`;
    for (const bytes of messageResponse.value.fileDescriptorProto) {
      const file = fromBinary(FileDescriptorProtoSchema, bytes);
      files.set(file.name, file);
    }
    return undefined;
  };
  const refused = await take({ case: 'fileContainingSymbol', value: service });
  if (refused !== undefined) throw await unknownService(ask, service, refused);
  const asked = new Set<string>();
  for (;;) {
    const missing = [...files.values()]
      .flatMap(({ dependency }) => dependency)
      .find((name) => !files.has(name) && !asked.has(name));
    if (missing === undefined) return files;
    asked.add(missing);
    // What nobody has may be one of Google's own, which are known here.
    await take({ case: 'fileByFilename', value: missing });
  }
}

type Ask = (
  request: MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest'],
) => Promise<ServerReflectionResponse>;

/** Asks with the newest version that the nodes have. */
async function asking(caller: Caller, options: RpcOptions): Promise<Ask> {
  const by =
    (method: Reflection): Ask =>
    (messageRequest) => {
      const request = create(ServerReflectionRequestSchema, { messageRequest });
      const spec = { ...options, method, request: () => [request], idempotent: true, single: true };
      return firstValueFrom(caller.call<ServerReflectionRequest, ServerReflectionResponse>(spec));
    };
  for (const method of [v1, v1alpha]) {
    try {
      await by(method)({ case: 'listServices', value: '' });
      return by(method);
    } catch (error) {
      if (FleetError.from(error).code !== 'UNIMPLEMENTED') throw error;
    }
  }
  throw new FleetError(
    'UNIMPLEMENTED',
    'the nodes have no server reflection: name the protos with --proto, or a descriptor set with --descriptor',
  );
}

async function unknownService(ask: Ask, service: string, why: string): Promise<FleetError> {
  const { messageResponse } = await ask({ case: 'listServices', value: '' });
  const names = messageResponse.case === 'listServicesResponse' ? messageResponse.value.service : [];
  const offered = names.map(({ name }) => name).join(', ') || 'none';
  return new FleetError('NOT_FOUND', `the nodes do not know the service ${service}: ${why}; they offer ${offered}`);
}
