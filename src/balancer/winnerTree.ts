/**
 * The least of many keys, kept while single keys change: a tournament in which each inner place holds the winner of the
 * two below it, so that a changed key is played again only on its own way up (D. Knuth, TAOCP 3, 5.4.1).
 *
 * A key is a score and, among equal scores, the time of the last win: the one that waited longest comes first.
 */
export class WinnerTree {
  /** When each entry was last chosen. Write before `build`; after it by `set`. */
  readonly chosenAt: Float64Array;
  /** Places at the bottom, a power of two, numbered from `width` on. Those without an entry score Infinity. */
  private readonly width: number;
  /** The entry that won at each place, and its score; place 1 is the top, 2n and 2n + 1 are below n. */
  private readonly winners: Int32Array;
  private readonly scores: Float64Array;

  constructor(size: number) {
    this.width = 2 ** Math.ceil(Math.log2(Math.max(2, size)));
    this.winners = new Int32Array(2 * this.width);
    this.scores = new Float64Array(2 * this.width).fill(Infinity);
    this.chosenAt = new Float64Array(this.width);
  }

  /** Index of the entry with the least key. */
  get first(): number {
    return this.winners[1]!;
  }

  scoreOf(index: number): number {
    return this.scores[this.width + index]!;
  }

  /** Changes one key. O(log n). */
  set(index: number, score: number, chosenAt: number): void {
    const { winners, scores, chosenAt: times } = this;
    let place = this.width + index;
    let winner = index;
    let best = score;
    scores[place] = score;
    times[index] = chosenAt;
    while (place > 1) {
      const rival = winners[place ^ 1]!;
      const rivalScore = scores[place ^ 1]!;
      if (rivalScore < best || (rivalScore === best && waitedLonger(times, rival, winner))) {
        winner = rival;
        best = rivalScore;
      }
      place >>>= 1;
      // Unless it was or is the changed one that wins here, nothing above can be other than it was.
      if (winner !== index && winners[place] === winner) return;
      winners[place] = winner;
      scores[place] = best;
    }
  }

  /** Sets every score and plays all games. O(n). */
  build(size: number, scoreAt: (index: number) => number): void {
    const { winners, scores, chosenAt, width } = this;
    for (let i = 0; i < width; i++) winners[width + i] = i;
    for (let i = 0; i < size; i++) scores[width + i] = scoreAt(i);
    for (let place = width - 1; place >= 1; place--) {
      const left = 2 * place;
      const right = left + 1;
      const rightWins =
        scores[right]! < scores[left]! ||
        (scores[right] === scores[left] && waitedLonger(chosenAt, winners[right]!, winners[left]!));
      winners[place] = winners[rightWins ? right : left]!;
      scores[place] = scores[rightWins ? right : left]!;
    }
  }
}

/** Of entries that were never chosen, the one further to the left. */
function waitedLonger(chosenAt: Float64Array, a: number, b: number): boolean {
  const difference = chosenAt[a]! - chosenAt[b]!;
  return difference < 0 || (difference === 0 && a < b);
}
