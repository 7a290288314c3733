/** The headers and trailers of a call. */

/** Keys are lower case; those that end in `-bin` hold bytes, the others text. */
export type Metadata = Readonly<Record<string, MetadataValue | readonly MetadataValue[]>>;

export type MetadataValue = string | Uint8Array;

export const emptyMetadata: Metadata = Object.freeze({});

/** The first text value of a key. */
export function metadataText(metadata: Metadata, key: string): string | undefined {
  const value = metadata[key];
  const first = Array.isArray(value) ? (value as readonly MetadataValue[])[0] : value;
  return typeof first === 'string' ? first : undefined;
}
