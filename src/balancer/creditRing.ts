/**
 * Turns by weights in one round after another, in which who is light is passed over.
 *
 * Each visit adds the weight of the visited to its credit; who has enough for a turn, which is the greatest weight,
 * pays it and takes the turn. So shares are exact whatever the weights, a turn costs about the greatest weight over the
 * mean in visits, and what is remembered belongs to each by itself: it stays right when the weights of all others
 * change. The idea of gRPC's static stride scheduler, which reckons from a counter instead of remembering.
 */
export class CreditRing {
  readonly weights: Float64Array;
  /** What each has, from 0 up to a turn. */
  readonly credits: Float64Array;
  readonly turn: number;
  /** Who is visited next. */
  next = 0;

  /**
   * @param weights over 0.
   * @param parts the part of a turn that each begins with, from 0 up to 1.
   */
  constructor(weights: Float64Array, parts: (index: number) => number) {
    this.weights = weights;
    this.turn = weights.reduce((most, weight) => Math.max(most, weight), 0);
    this.credits = weights.map((_, index) => parts(index) * this.turn);
  }

  /** Whose turn it is; there must be somebody. */
  take(): number {
    for (;;) {
      const index = this.visit();
      if (index >= 0) return index;
    }
  }

  /** Visits the next: its index when it takes a turn, else -1. Its weight may have changed, up to a turn. */
  visit(): number {
    const { weights, credits, turn, next } = this;
    this.next = next + 1 === weights.length ? 0 : next + 1;
    const credit = credits[next]! + weights[next]!;
    credits[next] = credit < turn ? credit : credit - turn;
    return credit < turn ? -1 : next;
  }

  /** What part of a turn one has. */
  part(index: number): number {
    return this.credits[index]! / this.turn;
  }
}

/** Where one that is new among many begins, so that not all come up together: the golden ratio spreads evenly. */
export function startingPart(index: number): number {
  return (index * 0.6180339887498949) % 1;
}
