/** Who we are to a node or a registry. A credential is for authentication; "token" means only inference output. */

/** What is shown to prove who we are. Never put it into an error, an event or a log. */
export interface Credential {
  /** The secret itself, such as a JWT. */
  readonly secret: string;
  /** How it is named in front of the secret, such as `Bearer`. */
  readonly scheme: string;
  /** When it ends, in milliseconds since the epoch; `Infinity` when it does not. */
  readonly expiresAt: number;
}
