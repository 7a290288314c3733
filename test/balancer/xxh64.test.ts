/** XXH64 against the hashes that are published, and against the implementation that gRPC's own client for Node uses. */

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { Xxh64 } from '../../src/balancer/xxh64.js';

const require = createRequire(import.meta.url);
const createXxhash = createRequire(require.resolve('@grpc/grpc-js-xds'))('xxhash-wasm') as () => Promise<{
  h64(text: string, seed?: bigint): bigint;
}>;
const real = await createXxhash();

const hasher = new Xxh64();
function xxh64(text: string, seed?: number): bigint {
  hasher.hash(text, seed);
  return (BigInt(hasher.high >>> 0) << 32n) | BigInt(hasher.low >>> 0);
}

describe('XXH64', () => {
  it('gives the hashes that are published, with inputs for each path through it', () => {
    // The tests of github.com/cespare/xxhash, which grpc-go hashes with.
    expect(xxh64('')).toBe(0xef46db3751d8e999n);
    expect(xxh64('a')).toBe(0xd24ec4f1a98c6e5bn);
    expect(xxh64('as')).toBe(0x1c330fb2d66be179n);
    expect(xxh64('asd')).toBe(0x631c37ce72a97393n);
    expect(xxh64('asdf')).toBe(0x415872f599cea71en);
    expect(xxh64('Call me Ishmael. Some years ago--never mind how long precisely-')).toBe(0x02a2e85470d6fd96n);
    // Those of LLVM.
    expect(xxh64('foo')).toBe(0x33bf00a859c4ba3fn);
    expect(xxh64('bar')).toBe(0x48a37c90ad27a659n);
    expect(xxh64('0123456789abcdefghijklmnopqrstuvwxyz')).toBe(0x69196c1b3af0bff9n);
  });

  it('is that of the real one for every length, text and seed', () => {
    const ascii = fc.string({ unit: 'binary-ascii', maxLength: 140 });
    const any = fc.string({ unit: 'binary', maxLength: 140 });
    const seed = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    fc.assert(
      fc.property(fc.oneof(ascii, any), seed, (text, number) => {
        expect(xxh64(text, number)).toBe(real.h64(text, BigInt(number)));
      }),
      { numRuns: 3_000 },
    );
  });

  it('takes half a character as the real one does, and tells a text from its bytes', () => {
    expect(xxh64('a\ud800b')).toBe(real.h64('a\ud800b'));
    expect(xxh64('é')).not.toBe(xxh64('\u00c3\u00a9'));
    expect(xxh64('é')).toBe(real.h64('é'));
    // Nothing of a wide text is left for the next.
    expect(xxh64('asdf')).toBe(0x415872f599cea71en);
  });
});
