/** What every client under comparison can do; all of them serialise the same protobuf-es messages. */

/** Called once, when the call is over; `units` is how many messages came. */
export type Done = (error?: unknown, units?: number) => void;

export interface Subject {
  /** `demo.Greeter/SayHello` with this payload; fails unless as many bytes come back. */
  unary(payload: Uint8Array, done: Done): void;
  /** `demo.Greeter/LotsOfReplies` with so many replies of 16 bytes; fails unless all come. */
  stream(replies: number, done: Done): void;
  close(): void | Promise<void>;
}

/** Connects to `host:port`. */
export type StartSubject = (address: string) => Promise<Subject>;

/** The error of a unary call whose answer has the wrong size, else undefined. */
export function wrongSize(sent: Uint8Array, received: Uint8Array | undefined): Error | undefined {
  if (received?.length === sent.length) return undefined;
  return new Error(`sent ${sent.length} bytes, got ${received?.length ?? 'no'} back`);
}

/** The error of a stream that brought the wrong number of messages, else undefined. */
export function wrongCount(expected: number, received: number): Error | undefined {
  return received === expected ? undefined : new Error(`asked for ${expected} replies, got ${received}`);
}
