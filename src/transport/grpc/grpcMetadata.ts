/** Metadata as grpc-js has it, and back. */

import { emptyMetadata, type Metadata, type MetadataValue } from '../../core/metadata.js';
import { GrpcJsMetadata } from './grpcJs.js';

let shared: GrpcJsMetadata | undefined;

/** grpc-js copies what it is given, so one empty object serves all calls. */
export function noMetadata(): GrpcJsMetadata {
  return (shared ??= new GrpcJsMetadata());
}

/** @throws Error for a key or a value that no header can hold. */
export function toGrpcMetadata(metadata: Metadata): GrpcJsMetadata {
  const result = new GrpcJsMetadata();
  for (const key in metadata) {
    for (const value of [metadata[key]!].flat() as MetadataValue[]) {
      result.add(key, typeof value === 'string' ? value : Buffer.from(value));
    }
  }
  return result;
}

/** The application's part: without what belongs to HTTP/2 and gRPC itself. */
export function fromGrpcMetadata(metadata: GrpcJsMetadata): Metadata {
  let result: Record<string, MetadataValue | readonly MetadataValue[]> | undefined;
  const entries = metadata.toJSON() as Record<string, (string | Buffer)[]>;
  for (const key in entries) {
    if (key === 'content-type' || key === 'date') continue;
    const values = entries[key]!;
    (result ??= {})[key] = values.length === 1 ? values[0]! : values;
  }
  return result ?? emptyMetadata;
}
