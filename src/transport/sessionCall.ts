/** What a session knows of a call that runs on it. */
export interface SessionCall {
  /** The channel goes away under the call. */
  abandon(): void;
}
