/** Calls that fall on nodes: the calls above, below them each node with its life, and a line from each call to its node. */

import type { DrawnNode, DrawnPick, Mark, NodesRow, PicksRow } from '../marbleRecord.js';
import { bandHeight, drawBand } from './band.js';
import { hues } from './marbleTheme.js';
import { sizes, type Sheet, type Strip } from './sheet.js';
import { rounded, svgElement, svgLine, svgText } from './svgElement.js';
import { drawMarble, drawTimeline, ring, stackedHeight, type Timeline } from './timeline.js';

const { row, marble } = sizes;
const laneHeight = 34;
const barHeight = 18;
const mostLanes = 24;
/** Answers that are no node. */
const nobody = new Set(['?', '0']);

/** A stretch of the life of a node in which nothing of it changes. */
interface Stretch extends DrawnNode {
  readonly from: number;
  /** Undefined to the end of the picture. */
  readonly to?: number;
}

/**
 * The ids of the nodes that get a lane, in the order of their coming: of very many only those that got a call, and as
 * many of the others as there is room for.
 */
export function laneIds(nodes: NodesRow, picks: readonly DrawnPick[]): { ids: readonly string[]; hidden: number } {
  const all = [...new Set(nodes.marks.flatMap(({ letter }) => (nodes.sets[letter] ?? []).map(({ id }) => id)))];
  if (all.length <= mostLanes) return { ids: all, hidden: 0 };
  const picked = new Set(picks.map(({ answer }) => answer));
  const idle = all.filter((id) => !picked.has(id)).slice(0, Math.max(0, mostLanes - picked.size));
  const shown = new Set([...picked, ...idle]);
  const ids = all.filter((id) => shown.has(id));
  return { ids, hidden: all.length - ids.length };
}

/** What is known of a node when it comes first. */
export function noteOf({ marks, sets }: NodesRow, id: string): string {
  const found = marks.map(({ letter }) => sets[letter]?.find((node) => node.id === id)).find(Boolean);
  return found?.note ?? '';
}

export function pickStrip(sheet: Sheet, nodes: NodesRow, picks: PicksRow | undefined, name: string): Strip {
  const made = picks?.picks ?? [];
  const calls = made.filter(({ ends }) => !ends);
  const { ids, hidden } = laneIds(nodes, made);
  const answers = [
    ...made.map(({ answer }) => answer),
    ...(picks?.matches ? [] : (picks?.expected ?? []).map(letterOf)),
  ];
  const lanes = [...ids, ...(answers.some((answer) => nobody.has(answer)) ? ['no node'] : [])];
  const line = picks ? callLine(picks) : undefined;
  const bandAt = line ? row + stackedHeight(line.marks) : 0;
  const top = line ? bandAt + bandHeight + 6 : 0;
  const bottom = top + lanes.length * laneHeight;
  const hueOf = (answer: string) => (nobody.has(answer) ? 'm q' : `m m${ids.indexOf(answer) % hues}`);
  const laneY = (answer: string) => top + (lanes.indexOf(laneOf(answer)) + 0.5) * laneHeight;
  return {
    timed: true,
    height: bottom + (hidden > 0 ? 26 : 8),
    draw: (y) =>
      [
        ...calls.map(({ at, answer }) => svgLine('c', sheet.x(at), y + row / 2, sheet.x(at), y + laneY(answer))),
        ...(line ? [svgText('', sheet.left, y + row / 2, 'pick()'), drawTimeline(sheet, y + row / 2, line)] : []),
        ...(line ? [drawBand(sheet, y + bandAt, name)] : []),
        ...ids.map((id, i) => drawLane(sheet, y + laneY(id), `m${i % hues}`, stretchesOf(nodes, id), made)),
        ...(lanes.length > ids.length ? [svgText('n', sheet.left, y + laneY('0'), 'no node')] : []),
        ...calls.map((call, i) => {
          const { at, answer, letter } = call;
          // Calls of one moment on one node stand one beside the other.
          const before = calls
            .slice(0, i)
            .filter((other) => other.at === at && laneOf(other.answer) === laneOf(answer));
          const text = nobody.has(answer) ? answer : letter;
          return drawMarble(sheet.x(at) + before.length * 12, y + laneY(answer), text, hueOf(answer), 9.5);
        }),
        ...(picks && !picks.matches ? drawWrong(sheet, y, picks, lanes, laneY) : []),
        ...(hidden > 0 ? [svgText('n', sheet.left, y + bottom + 10, `and ${hidden} more`)] : []),
      ].join(''),
  };
}

function laneOf(answer: string): string {
  return nobody.has(answer) ? 'no node' : answer;
}

function letterOf({ letter }: Mark): string {
  return letter;
}

function callLine({ picks, came }: PicksRow): Timeline {
  const calls = picks.map(({ at, letter }): Mark => ({ at, kind: 'next', letter }));
  const end = came.filter(({ kind }) => kind !== 'next');
  return { from: 0, marks: [...calls, ...end], hot: true, plain: true };
}

function drawLane(
  sheet: Sheet,
  y: number,
  hue: string,
  stretches: readonly Stretch[],
  picks: readonly DrawnPick[],
): string {
  const { id, note } = stretches[0]!;
  const label = note
    ? svgText('', sheet.left, y - 6, id) + svgText('k', sheet.left, y + 7, note)
    : svgText('', sheet.left, y, id);
  const taken = picks.filter((pick) => pick.answer === id && !pick.ends);
  const counted = picks.some(({ ends }) => ends);
  return [
    label,
    ...stretches.map((stretch) => drawStretch(sheet, y, hue, stretch)),
    ...(counted ? drawLoad(sheet, y, hue, taken) : []),
    ...stretches.slice(1).flatMap(({ note: changed, from }, i) => {
      return changed === stretches[i]!.note
        ? []
        : [svgText('k', sheet.x(from) + 4, y + barHeight / 2 + 7, changed ?? '')];
    }),
  ].join('');
}

function drawStretch(sheet: Sheet, y: number, hue: string, { from, to, out }: Stretch): string {
  const [begin, end] = [sheet.x(from), to === undefined ? sheet.tip : sheet.x(to)];
  const area = { x: begin, y: y - barHeight / 2, width: Math.max(end - begin, 2), height: barHeight, rx: 4 };
  const roomy = out !== undefined && out.length * 6 + 12 < area.width;
  return [
    svgElement('rect', { class: `${hue} life`, ...area, 'fill-opacity': out ? 0 : undefined }),
    ...(out ? [svgElement('rect', { fill: 'url(#marble-hatch)', ...area })] : []),
    ...(roomy ? [drawWord(begin + area.width / 2, y, out)] : []),
  ].join('');
}

function drawWord(x: number, y: number, word: string): string {
  const width = word.length * 6 + 8;
  return (
    svgElement('rect', { class: 'br', x: x - width / 2, y: y - 7, width, height: 14, rx: 3 }) +
    svgText('k', x, y, word, 'middle')
  );
}

/** Calls in flight on a node, as a bar that is the higher the more there are. */
function drawLoad(sheet: Sheet, y: number, hue: string, picks: readonly DrawnPick[]): string[] {
  const moments = [...new Set(picks.flatMap(({ at, until }) => [at, until ?? Infinity]))].sort((a, b) => a - b);
  return moments.slice(0, -1).flatMap((from, i) => {
    const open = picks.filter(({ at, until }) => at <= from && (until ?? Infinity) > from).length;
    if (open === 0) return [];
    const to = moments[i + 1]!;
    const height = Math.min(open, 4) * 4;
    const [begin, end] = [sheet.x(from), to === Infinity ? sheet.tip : sheet.x(to)];
    const d = `M${rounded(begin)} ${rounded(y + barHeight / 2)}v${-height}H${rounded(end)}v${height}z`;
    return [svgElement('path', { class: `${hue} load`, d })];
  });
}

/** Around a call that fell where it should not; a dashed ring where it should have fallen. */
function drawWrong(
  sheet: Sheet,
  y: number,
  { came, expected = [] }: PicksRow,
  lanes: readonly string[],
  laneY: (answer: string) => number,
): readonly string[] {
  const differ = (marks: readonly Mark[], others: readonly Mark[]) =>
    marks
      .filter(({ kind, letter }) => kind === 'next' && lanes.includes(laneOf(letter)))
      .filter((mark) => !others.some(({ at, letter }) => at === mark.at && letter === mark.letter))
      .map(({ at, letter }) => [sheet.x(at), y + laneY(letter)] as const);
  return [
    ...differ(came, expected).map(([x, middle]) => ring(x, middle)),
    ...differ(expected, came).map(([cx, cy]) => {
      return svgElement('circle', { class: 'r hl', cx, cy, r: marble - 1.5, 'stroke-dasharray': '3 3' });
    }),
  ];
}

function stretchesOf({ marks, sets }: NodesRow, id: string): readonly Stretch[] {
  const arrivals = marks.filter(({ kind }) => kind === 'next');
  const stretches: Stretch[] = [];
  arrivals.forEach(({ at, letter }, i) => {
    const node = sets[letter]?.find((each) => each.id === id);
    const to = arrivals[i + 1]?.at;
    const before = stretches.at(-1);
    if (!node) return;
    if (before?.to === at && before.out === node.out && before.note === node.note) {
      stretches[stretches.length - 1] = { ...before, to };
    } else {
      stretches.push({ ...node, from: at, to });
    }
  });
  return stretches;
}
