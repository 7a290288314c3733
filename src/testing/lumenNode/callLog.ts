/** What a node was asked, and how each request ended. */

/** One request, as the node saw it. */
export interface LoggedCall {
  readonly method: 'Infer' | 'GetCapabilities' | 'StreamCapabilities' | 'Health';
  /** Empty but for `Infer`. */
  readonly task: string;
  /** The service that took it; empty when none did. */
  readonly service: string;
  readonly correlationId: string;
  /** As it came, with `service`. */
  readonly meta: Readonly<Record<string, string>>;
  /** Bytes of the whole payload. */
  readonly bytes: number;
  /** Messages that the request came in. */
  readonly messages: number;
  /** `open` while it runs; `died` when a fault ended the connection; else the code, `CANCELLED` for a lost caller. */
  readonly outcome: string;
  /** When it was whole, in milliseconds since the epoch. */
  readonly at: number;
  /** Milliseconds to its end; 0 while it runs. */
  readonly durationMs: number;
}

const most = 10_000;

/** Keeps the last 10,000 requests. */
export class CallLog {
  readonly #calls: LoggedCall[] = [];
  /** `Infer` requests that were taken up. */
  requests = 0;
  /** `Infer` requests that were answered to the end. */
  answered = 0;

  /** Oldest first. */
  get calls(): readonly LoggedCall[] {
    return this.#calls;
  }

  /** Notes a request; the function returned notes its end. */
  begin(call: Partial<LoggedCall> & Pick<LoggedCall, 'method'>): (outcome: string) => void {
    const at = Date.now();
    const entry = {
      ...{ task: '', service: '', correlationId: '', meta: {}, bytes: 0, messages: 1, outcome: 'open', durationMs: 0 },
      ...call,
      at,
    };
    this.#calls.push(entry);
    if (this.#calls.length > most) this.#calls.shift();
    if (call.method === 'Infer') this.requests++;
    return (outcome) => {
      entry.outcome = outcome;
      entry.durationMs = Date.now() - at;
      if (call.method === 'Infer' && outcome === 'OK') this.answered++;
    };
  }
}
