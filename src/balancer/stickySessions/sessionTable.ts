/** Which key is on which node: so many sessions, the longest unused of which give way. */

import type { Stopwatch } from '../../core/stopwatch.js';

/** A key and its node. */
export class Session {
  readonly key: string;
  /** The id of its node. */
  node: string;
  /** Calls of it that are in flight; while there are any it is not idle. */
  calls = 0;
  usedAt = 0;
  /** Its neighbours in the order of use; undefined when it is not in the table. */
  older: Session | undefined = undefined;
  newer: Session | undefined = undefined;

  constructor(key: string, node: string) {
    this.key = key;
    this.node = node;
  }
}

export class SessionTable {
  private readonly sessions = new Map<string, Session>();
  /** Before the oldest and after the newest, so that each session has neighbours. */
  private readonly end = new Session('', '');
  private readonly most: number;
  private readonly idleMs: number;
  private readonly clock: Stopwatch;

  /** @param idleMs a session that had no call for so long is over; no timer waits for it. */
  constructor(most: number, idleMs: number, clock: Stopwatch) {
    this.most = most;
    this.idleMs = idleMs;
    this.clock = clock;
    this.end.older = this.end.newer = this.end;
  }

  get size(): number {
    return this.sessions.size;
  }

  /** The session of a key, which counts as a use of it. */
  find(key: string): Session | undefined {
    const session = this.sessions.get(key);
    if (session === undefined) return undefined;
    const now = this.clock();
    if (this.isOver(session, now)) {
      this.drop(session);
      return undefined;
    }
    this.use(session, now);
    return session;
  }

  /** Puts a key on a node, whether or not it was on another. */
  put(key: string, node: string): Session {
    const now = this.clock();
    let session = this.sessions.get(key);
    if (session === undefined) {
      this.makeRoom(now);
      session = new Session(key, node);
      this.sessions.set(key, session);
    } else {
      session.node = node;
    }
    this.use(session, now);
    return session;
  }

  /** A call of the session is over; that was a use of it too, if it is still here. */
  ended(session: Session): void {
    session.calls--;
    if (session.newer !== undefined) this.use(session, this.clock());
  }

  private isOver({ calls, usedAt }: Session, now: number): boolean {
    return calls === 0 && now - usedAt >= this.idleMs;
  }

  private makeRoom(now: number): void {
    for (;;) {
      const oldest = this.end.newer!;
      if (oldest === this.end || (this.sessions.size < this.most && !this.isOver(oldest, now))) return;
      this.drop(oldest);
    }
  }

  private use(session: Session, now: number): void {
    const { end } = this;
    session.usedAt = now;
    if (session.newer === end) return;
    unlink(session);
    const newest = end.older!;
    session.older = newest;
    session.newer = end;
    newest.newer = session;
    end.older = session;
  }

  private drop(session: Session): void {
    this.sessions.delete(session.key);
    unlink(session);
    session.older = session.newer = undefined;
  }
}

function unlink({ older, newer }: Session): void {
  if (older === undefined || newer === undefined) return;
  older.newer = newer;
  newer.older = older;
}
