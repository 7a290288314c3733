/** Keeps what proves who we are out of what people see. */

/** The text with the credentials of each URL in it, and secrets in its query, replaced by `***`. */
export function withoutCredentials(text: string): string {
  return (
    text
      // Up to the last @: a password may hold what should have been encoded.
      .replace(/(:\/\/)\S*@/g, '$1***@')
      .replace(/([?&](?:[\w.]*(?:token|secret|password|headers)[\w.]*)=)[^&#\s"']*/gi, '$1***')
  );
}
