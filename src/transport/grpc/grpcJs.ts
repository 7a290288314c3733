/** What is used of @grpc/grpc-js: the one file that loads it. */

export {
  Channel as GrpcJsChannel,
  connectivityState as GrpcJsState,
  credentials as grpcJsCredentials,
  experimental as grpcJsExperimental,
  Metadata as GrpcJsMetadata,
  status as GrpcJsStatus,
} from '@grpc/grpc-js';
export type { ChannelCredentials, ChannelOptions, StatusObject } from '@grpc/grpc-js';
