/** What the suite puts at a source. */

/** A node as the suite puts it at the source. */
export interface TestNode {
  /** Unique among the nodes of a case; letters and digits. */
  readonly name: string;
  /** Where it claims to listen, on `127.0.0.1` or whatever address the source gives it. Nobody listens there. */
  readonly port: number;
}
