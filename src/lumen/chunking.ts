/** Large payloads go in pieces: the messages of one request, made as they are sent. */

import { create } from '@bufbuild/protobuf';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import { InferRequestSchema, type InferRequest as WireRequest } from '../gen/lumen/inference_pb.js';

export interface ChunkOptions {
  /** Payloads of more bytes than this go in pieces. Default 1,048,576 (1 MiB). */
  readonly thresholdBytes?: number;
  /** Bytes of a piece. Default 262,144 (256 KiB). */
  readonly pieceBytes?: number;
  /**
   * The largest message that nodes take, in bytes: a payload that does not fit goes in pieces, whatever the threshold.
   * Default 4,194,304 (4 MiB), the limit of the hub and of the Python servers.
   */
  readonly maxMessageBytes?: number;
}

/** `ChunkOptions` with its defaults; `thresholdBytes` is `Infinity` when chunking is off. */
export type Chunking = Required<ChunkOptions>;

/** What all messages of a request share, and its payload. */
export interface RequestEnvelope {
  readonly correlationId: string;
  readonly task: string;
  readonly mime: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
}

/**
 * The options with their defaults. `false` switches chunking off: payloads that do not fit one message are then refused.
 *
 * @throws FleetError `INVALID_OPTION` for sizes under 1, or pieces that do not fit a message.
 */
export function resolveChunking(options: ChunkOptions | false = {}): Chunking {
  const given = options === false ? { thresholdBytes: Infinity } : options;
  const { thresholdBytes = 1_048_576, pieceBytes = 262_144, maxMessageBytes = 4_194_304 } = given as ChunkOptions;
  requireOption(thresholdBytes >= 0, 'chunk.thresholdBytes', 'at least 0', thresholdBytes);
  requireOption(
    Number.isInteger(pieceBytes) && pieceBytes >= 1,
    'chunk.pieceBytes',
    'a whole number of at least 1',
    pieceBytes,
  );
  requireOption(
    pieceBytes < maxMessageBytes,
    'chunk.pieceBytes',
    `less than maxMessageBytes (${maxMessageBytes})`,
    pieceBytes,
  );
  return { thresholdBytes, pieceBytes, maxMessageBytes };
}

/** True when the payload, with everything around it, fits one message. */
export function fitsOneMessage(envelope: RequestEnvelope, { maxMessageBytes }: Chunking): boolean {
  return envelope.payload.length + headBytes(envelope) <= maxMessageBytes;
}

/**
 * The messages of a request, in order: one, or pieces that share id, task, MIME type and meta and count `seq`, `total`
 * and `offset`. Lazy: a piece is made when it is taken, and shares the memory of the payload.
 *
 * @param whole Send one message, whatever the threshold: for nodes that do not put pieces together.
 * @throws FleetError `INVALID_ARGUMENT` when the payload does not fit one message and must not go in pieces.
 */
export function requestMessages(envelope: RequestEnvelope, chunking: Chunking, whole = false): Iterable<WireRequest> {
  const { correlationId, task, mime, meta, payload } = envelope;
  const message = (part: Uint8Array, seq: number, total: number, offset: number) =>
    create(InferRequestSchema, {
      correlationId,
      task,
      meta,
      payload: part,
      payloadMime: mime,
      seq: BigInt(seq),
      total: BigInt(total),
      offset: BigInt(offset),
    });

  const fits = fitsOneMessage(envelope, chunking);
  if ((whole || chunking.thresholdBytes === Infinity) && !fits) throw tooLarge(envelope, chunking);
  if (fits && (whole || payload.length <= chunking.thresholdBytes)) return [message(payload, 0, 0, 0)];

  const { pieceBytes } = chunking;
  const total = Math.ceil(payload.length / pieceBytes);
  return {
    *[Symbol.iterator]() {
      for (let seq = 0; seq < total; seq++) {
        const offset = seq * pieceBytes;
        yield message(payload.subarray(offset, offset + pieceBytes), seq, total, offset);
      }
    },
  };
}

/** What a payload that must go in one message, and does not fit one, fails with. */
export function tooLarge({ payload, task }: RequestEnvelope, chunking: Chunking): FleetError {
  const { maxMessageBytes, thresholdBytes } = chunking;
  const why = thresholdBytes === Infinity ? 'chunking is off' : `task ${task} takes no pieces here`;
  const message = `a payload of ${payload.length} bytes does not fit one message of ${maxMessageBytes} bytes, and ${why}: send a smaller one`;
  return new FleetError('INVALID_ARGUMENT', message, { sent: false });
}

/** At most this much is around the payload: strings at three bytes a UTF-16 unit, tags and lengths. */
function headBytes({ correlationId, task, mime, meta }: RequestEnvelope): number {
  let units = correlationId.length + task.length + mime.length;
  let entries = 0;
  for (const key in meta) {
    units += key.length + meta[key]!.length;
    entries++;
  }
  return units * 3 + entries * 24 + 128;
}
