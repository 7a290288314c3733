/** Where a moment stands: short waits are drawn to scale, long ones as a break. */

export interface TimeScale {
  /** Pixels of a millisecond, where it is drawn to scale. */
  readonly unit: number;
  /** The last moment. */
  readonly end: number;
  /** From the first moment to the tips of the arrows. */
  readonly width: number;
  /** Pixels from the first moment. */
  x(at: number): number;
  readonly ticks: readonly Tick[];
  /** The middles of the breaks. */
  readonly breaks: readonly number[];
}

export interface Tick {
  readonly x: number;
  /** Empty where there is no room for it. */
  readonly label: string;
}

/** A wait longer than this, in milliseconds, is broken. */
const longestWait = 8;
/** As wide as so many milliseconds. */
const breakUnits = 2.2;
const units = { narrowest: 25, widest: 60 };
/** A picture with more to show lets its marbles overlap rather than grow further, in pixels. */
const widest = 2_400;

/** @param room the pixels that the scale should fill; it takes more where the marbles would touch, up to a limit. */
export function timeScale(moments: Iterable<number>, room: number): TimeScale {
  const stops = [...new Set([0, ...moments])].filter(Number.isFinite).sort((a, b) => a - b);
  const waits = stops.slice(1).map((at, i) => at - stops[i]!);
  const total = waits.reduce((sum, wait) => sum + unitsOf(wait), 0);
  const fitting = Math.min(Math.max(room / (total + 1), units.narrowest), units.widest);
  const unit = Math.min(fitting, widest / (total + 1));
  const places = [0];
  for (const wait of waits) places.push(places.at(-1)! + unitsOf(wait) * unit);

  const known = new Map(stops.map((stop, i) => [stop, places[i]!]));
  const x = (at: number): number => {
    const place = known.get(at);
    if (place !== undefined) return place;
    const next = stops.findIndex((stop) => stop > at);
    if (next < 0) return places.at(-1)! + unit;
    if (next === 0) return 0;
    const before = next - 1;
    const share = (at - stops[before]!) / (stops[next]! - stops[before]!);
    return places[before]! + share * (places[next]! - places[before]!);
  };
  const breaks = waits.flatMap((wait, i) => (isBroken(wait) ? [(places[i]! + places[i + 1]!) / 2] : []));
  const afterBreak = stops.filter((_, i) => i === 0 || isBroken(waits[i - 1]!));
  return {
    unit,
    end: stops.at(-1)!,
    width: places.at(-1)! + unit,
    x,
    ticks: ticksOf(stops, waits, new Set(afterBreak), x),
    breaks,
  };
}

/** A moment as an axis shows it: `7`, `996`, `1.5 s`, `15 min`. */
export function momentLabel(ms: number): string {
  if (Math.abs(ms) < 1_000) return String(ms);
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${Number((ms / 1_000).toFixed(3))} s`;
}

function ticksOf(
  stops: readonly number[],
  waits: readonly number[],
  first: ReadonlySet<number>,
  x: (at: number) => number,
): readonly Tick[] {
  const moments = stops.flatMap((stop, i) => {
    const wait = waits[i];
    const filled = wait !== undefined && !isBroken(wait) && Number.isInteger(wait) ? wait - 1 : 0;
    return [stop, ...Array.from({ length: filled }, (_, n) => stop + n + 1)];
  });
  const taken: (readonly [from: number, to: number])[] = [];
  const labels = new Map<number, string>();
  for (const at of [...moments.filter((each) => first.has(each)), ...moments.filter((each) => !first.has(each))]) {
    const label = momentLabel(at);
    const half = label.length * 3.1 + 3;
    const [from, to] = [x(at) - half, x(at) + half];
    if (taken.some(([begin, end]) => from < end && begin < to)) continue;
    taken.push([from, to]);
    labels.set(at, label);
  }
  return moments.map((at) => ({ x: x(at), label: labels.get(at) ?? '' }));
}

function isBroken(wait: number): boolean {
  return wait > longestWait;
}

function unitsOf(wait: number): number {
  return isBroken(wait) ? breakUnits : wait;
}
