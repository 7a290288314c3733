/** What a call has under it: a connection, and the connect-node transport over it. */

import type { Session } from '../dialer.js';
import type { SessionCall } from '../sessionCall.js';
import type { ConnectClient } from './connectClient.js';

export interface ConnectSession extends Session {
  /** `host:port`. */
  readonly authority: string;
  readonly client: ConnectClient;
  /** The calls that run on it. */
  readonly calls: Set<SessionCall>;
  /** A call found that nothing answers any more. */
  broken(): void;
}
