/** The context of a trace as it goes over the wire: W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/). */

/** A parsed `traceparent`. */
export interface TraceParent {
  /** 32 hexadecimal digits in lower case, not all 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits in lower case, not all 0. */
  readonly spanId: string;
  /** Whether the trace is recorded. */
  readonly sampled: boolean;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a `traceparent`; undefined for what is none, of which the specification says to begin a trace of one's own. */
export function parseTraceparent(text: string): TraceParent | undefined {
  const [, version, traceId, spanId, flags, more] = pattern.exec(text) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return undefined;
  return { traceId: traceId!, spanId: spanId!, sampled: (parseInt(flags!, 16) & 1) === 1 };
}

/** `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01` */
export function formatTraceparent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hex32(random: () => number): string {
  const bits = (random() * 2 ** 32) >>> 0;
  return hex[bits >>> 24]! + hex[(bits >>> 16) & 255]! + hex[(bits >>> 8) & 255]! + hex[bits & 255]!;
}

/** 16 digits by chance. */
export function newSpanId(random: () => number): string {
  const id = hex32(random) + hex32(random);
  return id === '0000000000000000' ? '0000000000000001' : id;
}

/** 32 digits by chance, with the marks of a UUID of version 4 in them, so that both forms of it are valid. */
export function newTraceId(random: () => number): string {
  const id = hex32(random) + hex32(random) + hex32(random) + hex32(random);
  const variant = '89ab'[parseInt(id[16]!, 16) & 3]!;
  return `${id.slice(0, 12)}4${id.slice(13, 16)}${variant}${id.slice(17)}`;
}

/** A trace id as a UUID: the same digits, with dashes. */
export function uuidOf(traceId: string): string {
  return [
    traceId.slice(0, 8),
    traceId.slice(8, 12),
    traceId.slice(12, 16),
    traceId.slice(16, 20),
    traceId.slice(20),
  ].join('-');
}
