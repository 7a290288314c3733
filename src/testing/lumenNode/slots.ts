/** How many requests are worked on at once: the others wait in line. */

/** A counting semaphore, first come first served. */
export class Slots {
  readonly #size: number;
  readonly #line: (() => void)[] = [];
  #taken = 0;
  /** The most that were taken at once. */
  most = 0;

  constructor(size: number) {
    this.#size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Waits for a slot; rejects with the reason of `signal` when it is aborted first. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#taken >= this.#size) await this.#wait(signal);
    else this.#taken++;
    this.most = Math.max(this.most, this.#taken);
    let given = true;
    return () => {
      if (given) this.#give();
      given = false;
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#line.splice(this.#line.indexOf(mine), 1);
        reject(signal.reason as Error);
      };
      const mine = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      this.#line.push(mine);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** To the next in line, so the count stays; else back. */
  #give(): void {
    const next = this.#line.shift();
    if (next) next();
    else this.#taken--;
  }
}
