/** What a consumer that pulls says to the wire: whether it wants more. */

/**
 * The demand of one consumer. Whoever reads from the wire asks `ready` after each message; while it is false nothing
 * more is read, so a slow consumer slows the node and not the memory.
 */
export interface Demand {
  /** True when the consumer takes another message now. */
  readonly ready: boolean;
  /** Calls back once, when the consumer takes a message again; never synchronously within this call. */
  whenReady(callback: () => void): void;
}

let current: Demand | undefined;

/**
 * Runs `subscribe` so that calls subscribed within it, through whatever operators, read for this demand. It reaches
 * the call without passing through each operator in between, since an Observable itself has no way to ask for less.
 */
export function withDemand<T>(demand: Demand, subscribe: () => T): T {
  const outer = current;
  current = demand;
  try {
    return subscribe();
  } finally {
    current = outer;
  }
}

/** The demand of the consumer that is subscribing right now, if it pulls. */
export function currentDemand(): Demand | undefined {
  return current;
}
