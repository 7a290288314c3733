/** What can go wrong with a node, each thing to be switched on and off while it runs. */

import type { StatusName } from '../../core/errorCodes.js';
import { requireOption } from '../../core/requireOption.js';

/** Nothing is wrong by default. A node meets the faults that are set when a request arrives. */
export interface LumenFaults {
  /** Wait before each answer, in milliseconds. Default 0. */
  readonly latencyMs?: number;
  /** The wait is spread evenly over ± this, in milliseconds. Default 0. */
  readonly jitterMs?: number;

  /** The share of requests that fail, from 0 to 1. Default 0. */
  readonly errorRate?: number;
  /** Every n-th request fails; 1 is every one. Default: none. */
  readonly errorEvery?: number;
  /** With what they fail. Default `UNAVAILABLE`. */
  readonly errorCode?: StatusName;
  /** The failure stands inside an answer, and the call ends as OK. Default: as the flavour does, false for a hub. */
  readonly errorInBand?: boolean;

  /** Requests are taken and never answered. */
  readonly hang?: boolean;
  /** Questions for capabilities are taken and never answered. */
  readonly hangCapabilities?: boolean;
  /** New connections are accepted and never spoken to. */
  readonly silent?: boolean;
  /** For so many milliseconds from now the node is starting, as in its warm-up; `Infinity`: until `warm()`. */
  readonly unavailableMs?: number;

  /** It falls silent after so many messages of an answer, and keeps the call open. */
  readonly stallAfterMessages?: number;
  /** It dies after so many messages of an answer; 0: once it has read the request. */
  readonly dieAfterMessages?: number;
  /**
   * What dies: the `connection` of that call, the `node` (all connections, and the port), or the `process`, by
   * SIGKILL. Default `connection`.
   */
  readonly death?: 'connection' | 'node' | 'process';

  /** Answers carry this correlation id. */
  readonly correlationId?: string;
  /** This chunk of a result is left out; 0 is the first. */
  readonly skipChunk?: number;
  /** This chunk of a result is sent twice. */
  readonly repeatChunk?: number;
  /** Chunks say so many more in all than there are. */
  readonly totalOff?: number;
  /** Answers have no bytes. */
  readonly emptyResult?: boolean;
  /** Answers have no MIME type and no schema. */
  readonly missingMime?: boolean;
  /** Answers say that they are of this schema. */
  readonly wrongSchema?: string;
  /** Answers stop half-way through their bytes, as JSON cut short does. */
  readonly cutResult?: boolean;
  /** Answers are filled up with zeros to so many bytes, in one message. */
  readonly oversizedBytes?: number;

  /** The first frame of an answer says that it is longer than it is, and the call ends as OK. */
  readonly truncatedFrame?: boolean;
  /** The first frame of an answer holds no protobuf message. */
  readonly garbledFrame?: boolean;
}

/** @throws FleetError `INVALID_OPTION` for a share outside 0 to 1, a negative time or count. */
export function requireFaults(faults: LumenFaults): LumenFaults {
  const { errorRate = 0, errorEvery = 1 } = faults;
  requireOption(errorRate >= 0 && errorRate <= 1, 'faults.errorRate', 'from 0 to 1', errorRate);
  requireOption(
    Number.isInteger(errorEvery) && errorEvery >= 1,
    'faults.errorEvery',
    'a whole number of at least 1',
    errorEvery,
  );
  const counts = [
    'latencyMs',
    'jitterMs',
    'unavailableMs',
    'stallAfterMessages',
    'dieAfterMessages',
    'skipChunk',
    'repeatChunk',
    'oversizedBytes',
  ] as const;
  for (const field of counts) {
    const value = faults[field] ?? 0;
    requireOption(value >= 0, `faults.${field}`, 'at least 0', value);
  }
  return faults;
}
