/** The messages of one attempt on the wire: their bytes, and who is told of each. */

import type { MessageWatcher } from '../core/channel.js';

export class MessageCount implements MessageWatcher {
  sentBytes = 0;
  receivedBytes = 0;
  private readonly watchers: MessageWatcher[] = [];

  tell(watcher: MessageWatcher): void {
    this.watchers.push(watcher);
  }

  sent(bytes: number): void {
    this.sentBytes += bytes;
    for (const watcher of this.watchers) watcher.sent(bytes);
  }

  received(bytes: number): void {
    this.receivedBytes += bytes;
    for (const watcher of this.watchers) watcher.received(bytes);
  }
}
