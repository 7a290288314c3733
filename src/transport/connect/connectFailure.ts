/**
 * What connect-node says of a failed call, in our words: whose failure it is, and whether the call has left.
 *
 * The one file that loads @connectrpc/connect: nothing else needs to know its errors.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import type { CallStatus } from '../../core/channel.js';
import { grpcStatusNames } from '../../core/errorCodes.js';
import { fromHeaders } from './toHeaders.js';

export interface ConnectFailure extends CallStatus {
  /** True when the connection is to blame. */
  readonly broken: boolean;
}

/** What was `thrown` for a call to the node `at` an address; `sent` is whether the call was handed over by then. */
export function connectFailure(thrown: unknown, at: string, sent: boolean): ConnectFailure {
  const error = ConnectError.from(thrown);
  const { code, rawMessage: message, metadata } = error;
  const trailers = fromHeaders(metadata);
  const unavailable = (message: string, sent: boolean, broken: boolean): ConnectFailure => {
    return { code: 'UNAVAILABLE', message, sent, trailers, broken };
  };
  if (/REFUSED_STREAM/.test(message)) return unavailable(`${at} refused the call unprocessed`, false, false);
  if (code === Code.Canceled) {
    return unavailable(`${at} cancelled the call, which nobody here asked for: ${message}`, true, true);
  }
  if (isConnectionError(error)) return unavailable(`${at} broke the connection: ${message}`, true, true);
  const name = grpcStatusNames[code] ?? 'UNKNOWN';
  // A message that would have been too long has not left.
  const tooLong = name === 'RESOURCE_EXHAUSTED' && /writeMaxBytes/.test(message);
  return { code: name, message, sent: sent && !tooLong && !message.endsWith(notSent), trailers, broken: false };
}

const notSent = 'was lost before the call was sent';

/** For connect-node to throw, when there is no connection to open a stream on. */
export function lostBeforeSent(at: string): ConnectError {
  return new ConnectError(`the connection to ${at} ${notSent}`, Code.Unavailable);
}

/** For a unary call that was half-closed before its request. */
export function calledWithoutRequest(path: string): ConnectError {
  return new ConnectError(`${path} was called without a request`, Code.Internal);
}

/** What Node.js throws when the peer goes away, as connect-node wraps it. */
function isConnectionError({ code, cause, rawMessage }: ConnectError): boolean {
  if (code === Code.Unavailable) return false;
  const { code: errno } = (cause ?? {}) as { code?: string };
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ERR_HTTP2_(SESSION|INVALID_SESSION|STREAM_CANCEL|GOAWAY))/.test(errno ?? '') ||
    /session (has been )?(closed|destroyed)/i.test(rawMessage)
  );
}
