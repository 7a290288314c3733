/** The messages of one attempt on the wire: their bytes, and who is told of each. */

import type { MessageWatcher } from '../core/channel.js';

export class MessageCount implements MessageWatcher {
  /** Undefined while nobody has told of a message, as of work that has no wire. */
  sentBytes: number | undefined = undefined;
  receivedBytes: number | undefined = undefined;
  private readonly watchers: MessageWatcher[] = [];

  tell(watcher: MessageWatcher): void {
    this.watchers.push(watcher);
  }

  sent(bytes: number): void {
    this.sentBytes = (this.sentBytes ?? 0) + bytes;
    this.receivedBytes ??= 0;
    for (const watcher of this.watchers) watcher.sent(bytes);
  }

  received(bytes: number): void {
    this.receivedBytes = (this.receivedBytes ?? 0) + bytes;
    this.sentBytes ??= 0;
    for (const watcher of this.watchers) watcher.received(bytes);
  }
}
