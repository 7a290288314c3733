import { toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { InferRequestSchema } from '../../src/gen/lumen/inference_pb.js';
import { fitsOneMessage, requestMessages, resolveChunking } from '../../src/lumen/chunking.js';

const MiB = 1_048_576;
const envelope = (bytes: number) => ({
  correlationId: 'id',
  task: 'ocr',
  mime: 'image/png',
  meta: { service: 'ocr', note: 'über' },
  payload: new Uint8Array(bytes).map((_, i) => i),
});

describe('requestMessages', () => {
  it('sends a payload of exactly 1 MiB in one message, and one more byte in five pieces', () => {
    expect([...requestMessages(envelope(MiB), resolveChunking())]).toHaveLength(1);
    const pieces = [...requestMessages(envelope(MiB + 1), resolveChunking())];
    expect(pieces.map((piece) => piece.payload.length)).toEqual([262_144, 262_144, 262_144, 262_144, 1]);
    expect(pieces.map((piece) => Number(piece.seq))).toEqual([0, 1, 2, 3, 4]);
    expect(pieces.map((piece) => Number(piece.offset))).toEqual([0, 262_144, 524_288, 786_432, 1_048_576]);
    expect(new Set(pieces.map((piece) => piece.total))).toEqual(new Set([5n]));
  });

  it('leaves the numbers of a single message at zero', () => {
    const [single] = [...requestMessages(envelope(3), resolveChunking())];
    expect([single!.seq, single!.total, single!.offset]).toEqual([0n, 0n, 0n]);
  });

  it('says id, task, MIME type and meta on every piece', () => {
    const { correlationId, task, mime, meta } = envelope(0);
    for (const piece of requestMessages(envelope(10), resolveChunking({ thresholdBytes: 4, pieceBytes: 4 }))) {
      expect([piece.correlationId, piece.task, piece.payloadMime, piece.meta]).toEqual([
        correlationId,
        task,
        mime,
        meta,
      ]);
    }
  });

  it('shares the memory of the payload, and makes a piece only when it is taken', () => {
    const large = envelope(2 * MiB);
    const pieces = requestMessages(large, resolveChunking())[Symbol.iterator]();
    const first = pieces.next().value!;
    expect(first.payload.buffer).toBe(large.payload.buffer);
  });

  it('puts any payload together again, whatever the sizes (property)', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.nat(100),
        fc.integer({ min: 1, max: 64 }),
        (payload, over, size) => {
          const chunking = resolveChunking({ thresholdBytes: over, pieceBytes: size });
          const pieces = [...requestMessages({ ...envelope(0), payload }, chunking)];
          expect(Buffer.concat(pieces.map((piece) => piece.payload))).toEqual(Buffer.from(payload));
          if (payload.length > over) {
            expect(pieces.every((piece, i) => piece.seq === BigInt(i) && piece.total === BigInt(pieces.length))).toBe(
              true,
            );
          } else expect(pieces).toHaveLength(1);
        },
      ),
    );
  });

  it('never sends a message past 4 MiB, whatever the threshold', () => {
    const chunking = resolveChunking({ thresholdBytes: 4 * MiB, pieceBytes: MiB });
    const exact = envelope(4 * MiB);
    expect(fitsOneMessage(exact, chunking)).toBe(false);
    for (const message of requestMessages(exact, chunking)) {
      expect(toBinary(InferRequestSchema, message).length).toBeLessThanOrEqual(4 * MiB);
    }
    const close = envelope(4 * MiB - 400);
    expect(fitsOneMessage(close, chunking)).toBe(true);
    expect(toBinary(InferRequestSchema, [...requestMessages(close, chunking)][0]!).length).toBeLessThanOrEqual(4 * MiB);
  });

  it('sends a whole message to a node that takes no pieces, and refuses what does not fit one', () => {
    expect([...requestMessages(envelope(3 * MiB), resolveChunking(), true)]).toHaveLength(1);
    expect(() => requestMessages(envelope(5 * MiB), resolveChunking(), true)).toThrow('task ocr takes no pieces here');
  });

  it('with chunking off sends one message, and refuses what does not fit one', () => {
    expect([...requestMessages(envelope(3 * MiB), resolveChunking(false))]).toHaveLength(1);
    expect(() => requestMessages(envelope(5 * MiB), resolveChunking(false))).toThrow(
      'chunking is off: send a smaller one',
    );
  });

  it('refuses senseless sizes by name', () => {
    expect(() => resolveChunking({ pieceBytes: 0 })).toThrow('chunk.pieceBytes');
    expect(() => resolveChunking({ thresholdBytes: -1 })).toThrow('chunk.thresholdBytes');
    expect(() => resolveChunking({ pieceBytes: 10, maxMessageBytes: 10 })).toThrow('maxMessageBytes');
  });
});
