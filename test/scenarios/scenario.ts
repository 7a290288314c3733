/** One policy, one incident, one size of fleet. */

import { figuresOf, type Figures } from './figures.js';
import { incidents, type IncidentName } from './incidents.js';
import { policies, type PolicyName } from './policies.js';
import { simulate, type ClientOf } from './simulate.js';
import type { SimulatedNodeOptions } from './simulatedNode.js';

export interface Scenario {
  readonly policy: PolicyName;
  readonly incident: IncidentName;
  readonly nodes: number;
}

/** Sizes of fleets. */
export const sizes = [1, 3, 10, 500] as const;

/** All of them. */
export function* allScenarios(): Iterable<Scenario> {
  for (const policy of Object.keys(policies) as PolicyName[]) {
    for (const incident of Object.keys(incidents) as IncidentName[]) {
      for (const nodes of sizes) yield { policy, incident, nodes };
    }
  }
}

/** Nodes of a large fleet do one thing at a time, and slowly, so that it does not take too long to simulate. */
export function nodeOf(nodes: number): Required<SimulatedNodeOptions> {
  return nodes < 100 ? { slots: 4, serviceMs: 20 } : { slots: 1, serviceMs: 100 };
}

export function play({ policy, incident, nodes }: Scenario, seed: number): Figures {
  return playWith(policies[policy], incident, nodes, seed);
}

/** With a client that has no name. */
export function playWith(client: ClientOf, incident: IncidentName, nodes: number, seed: number): Figures {
  const course = incidents[incident](nodes);
  const { lastsMs, happenings } = course;
  return figuresOf(simulate({ nodes, node: nodeOf(nodes), lastsMs, happenings, seed }, client), course);
}
