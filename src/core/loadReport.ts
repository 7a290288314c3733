/** What a node says of its own load, in the terms of ORCA (gRFC A51). */

/** A fraction is 0 to 1, and may pass 1 where a node takes more than it was made for. */
export interface LoadReport {
  /** Share of its processors that is in use; 0 when it does not say. */
  readonly cpuUtilization: number;
  /** Share of its memory that is in use; 0 when it does not say. */
  readonly memoryUtilization: number;
  /** Share of whatever limits it, in its own judgement; 0 when it does not say. */
  readonly applicationUtilization: number;
  /** Requests a second that it serves, of all clients. */
  readonly requestsPerSecond: number;
  /** Of them, those that fail. */
  readonly errorsPerSecond: number;
  /** Measures by names of its own: fractions of limits, and costs of this request. */
  readonly utilization: Readonly<Record<string, number>>;
  readonly requestCost: Readonly<Record<string, number>>;
  readonly named: Readonly<Record<string, number>>;
}
