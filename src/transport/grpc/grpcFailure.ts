/** What grpc-js says of a failed call, in our words: whose failure it is, and whether the call has left. */

import { grpcStatusNames, type StatusName } from '../../core/errorCodes.js';

const cancelled = grpcStatusNames.indexOf('CANCELLED');

/** `code` and `details` as grpc-js gives them, `at` the node. */
export function grpcFailure(
  code: number,
  details: string,
  at: string,
): { name: StatusName; message: string; sent: boolean } {
  const unavailable = (message: string, sent: boolean) => ({ name: 'UNAVAILABLE' as const, message, sent });
  switch (details) {
    case 'Connection dropped':
      return unavailable(`the connection to ${at} was lost`, true);
    case 'Stream refused by server':
      return unavailable(`${at} refused the call unprocessed`, false);
    case 'Channel closed before call started':
      return unavailable(`the connection to ${at} was lost before the call was sent`, false);
  }
  if (details.startsWith('Failed to start HTTP/2 stream')) {
    return unavailable(`the connection to ${at} was lost before the call was sent: ${details}`, false);
  }
  if (details.includes('triggered by internal client error') || /^(read|write) E[A-Z]+$/.test(details)) {
    return unavailable(`the connection to ${at} broke: ${details}`, true);
  }
  if (code === cancelled) {
    return unavailable(`${at} cancelled the call, which nobody here asked for: ${details}`, true);
  }
  return { name: grpcStatusNames[code] ?? 'UNKNOWN', message: details, sent: true };
}
