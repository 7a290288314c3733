/** The status of a call with a message over its limit. */

import type { StatusName } from '../core/errorCodes.js';

export function tooLong(path: string, way: 'sent' | 'received', bytes: number, limit: number): [StatusName, string] {
  const [what, options] =
    way === 'sent' ? ['a request', 'maxRequestBytes and maxSendBytes'] : ['an answer', 'maxResponseBytes'];
  return ['RESOURCE_EXHAUSTED', `${what} of ${path} has ${bytes} bytes, more than the ${limit} of ${options} allow`];
}
