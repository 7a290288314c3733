/** A resource that a member brought: ended once, when no member has it any more and no work goes on with it. */

export class GivenResource<T> {
  #holders = 0;

  constructor(
    readonly value: T,
    private readonly end: () => void,
  ) {}

  hold(): void {
    this.#holders++;
  }

  /** Once for each `hold`. */
  release(): void {
    if (--this.#holders === 0) this.end();
  }
}
