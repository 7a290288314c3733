/** Metadata as the headers of the Fetch API, and back. */

import { emptyMetadata, type Metadata, type MetadataValue } from '../../core/metadata.js';

/** Bytes go as base64, as in gRPC. A `user-agent` of the caller's stands. */
export function toHeaders(metadata: Metadata | undefined, userAgent: string): Headers {
  const headers = new Headers();
  for (const key in metadata) {
    for (const value of [metadata[key]!].flat() as MetadataValue[]) {
      headers.append(key, typeof value === 'string' ? value : Buffer.from(value).toString('base64'));
    }
  }
  if (!headers.has('user-agent')) headers.set('user-agent', userAgent);
  return headers;
}

/** Not the application's: they belong to HTTP, or to the framing. */
const ofTheWire =
  /^(content-(type|length|encoding)|date|connection|keep-alive|transfer-encoding|trailer|vary|accept.*|grpc-(status|message|encoding|accept-encoding)|connect-.*)$/;

/** The application's part of what came. */
export function fromHeaders(headers: Headers): Metadata {
  let result: Record<string, MetadataValue | readonly MetadataValue[]> | undefined;
  headers.forEach((text, key) => {
    if (ofTheWire.test(key)) return;
    const values: MetadataValue[] = key.endsWith('-bin')
      ? text.split(',').map((value) => new Uint8Array(Buffer.from(value.trim(), 'base64')))
      : [text];
    (result ??= {})[key] = values.length === 1 ? values[0]! : values;
  });
  return result ?? emptyMetadata;
}
