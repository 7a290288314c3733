/** What goes wrong in a fleet. Each incident begins after a while of calm, and is followed by one. */

import type { Fault, SimulatedNode } from './simulatedNode.js';
import type { Happening } from './simulate.js';

/** From when until when something is wrong, and for how long it is watched, in milliseconds. */
export interface Course {
  readonly from: number;
  readonly until: number;
  readonly lastsMs: number;
  readonly happenings: readonly Happening[];
}

/** Makes it of a fleet of so many nodes. */
export type Incident = (nodes: number) => Course;

const calmMs = 15_000;
const lastsMs = 20_000;
/** Long enough for whoever is out for the usual half minute to come back, and for a calm after that. */
const afterMs = 40_000;
const sound: Fault = { kind: 'none' };

/** The same is wrong with some nodes, from first to last. */
function together(fault: Fault, which: (nodes: readonly SimulatedNode[]) => readonly SimulatedNode[]): Incident {
  return () => {
    const until = calmMs + lastsMs;
    const all = (what: Fault) => (world: { readonly nodes: readonly SimulatedNode[] }) => {
      for (const node of which(world.nodes)) node.suffer(what);
    };
    const happenings = [
      { at: calmMs, happen: all(fault) },
      { at: until, happen: all(sound) },
    ];
    return { from: calmMs, until, lastsMs: until + afterMs, happenings };
  };
}

const first = (nodes: readonly SimulatedNode[]) => nodes.slice(0, 1);

/** How long a node is away, and how long it is slow when it is back. */
const awayMs = 3_000;
const coldMs = 5_000;

/** One node after the other, or of many a fifth at once, is away, and then cold. The next goes when the last is back and warm. */
const rollingRestart: Incident = (nodes) => {
  const step = nodes <= 10 ? 1 : Math.ceil(nodes / 5);
  const turnMs = awayMs + coldMs;
  const turns = Math.ceil(nodes / step);
  const happenings: Happening[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const from = calmMs + turn * turnMs;
    const back = from + awayMs;
    const cold: Fault = { kind: 'cold', factor: 4, from: back, until: back + coldMs };
    const all = (fault: Fault) => (world: { readonly nodes: readonly SimulatedNode[] }) => {
      for (const node of world.nodes.slice(turn * step, (turn + 1) * step)) node.suffer(fault);
    };
    happenings.push({ at: from, happen: all({ kind: 'down' }) }, { at: back, happen: all(cold) });
  }
  const until = calmMs + turns * turnMs;
  return { from: calmMs, until, lastsMs: until + afterMs, happenings };
};

export const incidents = {
  /** One node fails within a microsecond. */
  fastFailure: together({ kind: 'failsFast' }, first),
  /** One node takes a hundred times as long. */
  slowNode: together({ kind: 'slow', factor: 100 }, first),
  /** One node fails every second call. */
  everySecond: together({ kind: 'everySecond' }, first),
  /** All nodes are down. */
  outage: together({ kind: 'down' }, (nodes) => nodes),
  rollingRestart,
} satisfies Record<string, Incident>;

export type IncidentName = keyof typeof incidents;
