/** How the benches measure: contenders take turns in short rounds, and ratios are taken within a round. */

/** One line of the report: how `subject` does against `against`; above 1 the subject is faster. */
export interface Row {
  /** What was measured, such as `unary 16B x64`. */
  readonly name: string;
  readonly subject: string;
  /** Whom it is compared with; empty when the value stands alone. */
  readonly against: string;
  /** The subject's value through the other's, median of the rounds; 1 when it stands alone. */
  readonly ratio: number;
  /** The subject's own value, median of the rounds. */
  readonly value: number;
  readonly unit: string;
}

/** How long and how often to measure. */
export interface Effort {
  readonly rounds: number;
  /** Length of one turn of one contender, in milliseconds. */
  readonly turnMs: number;
  /** Length of the turn before the first round that is thrown away, in milliseconds. */
  readonly warmUpMs: number;
}

/** Someone who can do the same piece of work. */
export interface Contender {
  readonly name: string;
  /** Works for about so many milliseconds and says how many units a second it did. */
  turn(ms: number): Promise<number>;
}

/**
 * The values of each contender, one a round. Rounds are A B C, A B C, …, so that a machine that slows down for a
 * while slows all of them; every second round goes backwards, so that nobody always follows the same neighbour.
 */
export async function takeTurns(
  contenders: readonly Contender[],
  { rounds, turnMs, warmUpMs }: Effort,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const values = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) await contender.turn(warmUpMs);
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 ? [...contenders].reverse() : contenders) {
      values.get(contender.name)!.push(await contender.turn(turnMs));
    }
  }
  return values;
}

/** The row of one pair: the median of the ratios of each round, not the ratio of the medians. */
export function compare(
  name: string,
  unit: string,
  values: ReadonlyMap<string, readonly number[]>,
  subject: string,
  against: string,
): Row {
  const mine = values.get(subject)!;
  const theirs = values.get(against)!;
  return { name, subject, against, ratio: median(mine.map((v, i) => v / theirs[i]!)), value: median(mine), unit };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Keeps `inFlight` pieces of work going for `ms` and says how many ended a second. `work` calls back when done,
 * so that a contender that needs no promise pays for none.
 */
export function keepInFlight(
  inFlight: number,
  ms: number,
  work: (done: (error?: unknown, units?: number) => void) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let open = 0;
    let units = 0;
    let failed = false;
    const next = () => {
      open++;
      work((error, count = 1) => {
        open--;
        if (error) {
          failed = true;
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        units += count;
        const elapsed = performance.now() - start;
        if (elapsed < ms && !failed) next();
        else if (open === 0) resolve((units / elapsed) * 1_000);
      });
    };
    for (let i = 0; i < inFlight; i++) next();
  });
}
