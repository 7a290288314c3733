/** `rxfleet explain`: who would get a call now, and why not the others. */

import { debounceTime, filter, firstValueFrom, fromEvent, of, take, takeUntil, timeout } from 'rxjs';
import { formatAddress, isPending, type DecisionMade, type NodeSet, type Requirement } from '../index.js';
import { taskRequirement } from '../lumen/index.js';
import { lumenOf, type WhereOptions } from './lumenOf.js';
import { table, type Terminal } from './terminal.js';

export interface ExplainOptions extends WhereOptions {
  /** What the call asks for; without it any node will do. */
  readonly task?: string;
  readonly model?: string;
  readonly service?: string;
  /** The key of the call. */
  readonly key?: string;
  readonly json?: boolean;
  /** How long to look, in milliseconds. */
  readonly timeout: number;
}

/** Explains one pick. Returns 0 when somebody could take the call, else 1. */
export async function explain(options: ExplainOptions, terminal: Terminal): Promise<number> {
  await using lumen = lumenOf(options);
  const interrupted$ = fromEvent(terminal.interrupted, 'abort').pipe(take(1));
  const settled$ = lumen.nodes$.pipe(
    debounceTime(200),
    filter((found) => found.size > 0 && !found.nodes.some(isPending)),
    timeout({ first: options.timeout, with: () => of(lumen.nodes$.value) }),
    takeUntil(interrupted$),
  );
  const set = await firstValueFrom(settled$, { defaultValue: lumen.nodes$.value });
  if (terminal.interrupted.aborted) return 130;
  const requires = requirementOf(options);
  const decision = lumen.fleet.explain({ requires, key: options.key });
  if (options.json) terminal.line(JSON.stringify(plain(decision, set, requires)));
  else show(decision, set, requires, terminal);
  return decision.candidates.length > 0 ? 0 : 1;
}

function requirementOf({ task, model, service }: ExplainOptions): Requirement | undefined {
  return task === undefined ? undefined : taskRequirement({ tasks: [task], model, service });
}

function show(decision: DecisionMade, set: NodeSet, requires: Requirement | undefined, terminal: Terminal): void {
  const { chosen, candidates, leftOut, strategy } = decision;
  const what = requires ? requires.name : 'any call';
  if (set.size === 0) {
    terminal.say('No node is known: is one running, and is this the right place to look? `rxfleet nodes` lists them.');
    return;
  }
  const where = (id: string) => {
    const node = set.get(id);
    return [node?.name ?? id, node ? formatAddress(node.address) : '-'];
  };
  const rows = [
    ...candidates.map(({ node, score }) => [
      ...where(node),
      node === chosen?.id ? 'chosen' : 'could take it',
      score === undefined ? '' : `score ${Number(score.toPrecision(4))}`,
    ]),
    ...leftOut.map(({ node, obstacle, reason }) => [...where(node), 'left out', `${obstacle}: ${reason}`]),
  ];
  terminal.line(table(['NAME', 'ADDRESS', 'VERDICT', 'WHY'], rows));
  const count = `${candidates.length} of ${set.size} nodes could take ${what}`;
  terminal.say(chosen ? `${count}; ${strategy} takes ${chosen.name}.` : `${count}.`);
}

/** As JSON: the documented fields, nodes by their ids. */
function plain({ chosen, strategy, candidates, leftOut }: DecisionMade, set: NodeSet, requires?: Requirement): object {
  const nodes = set.nodes.map((node) => ({ id: node.id, name: node.name, address: formatAddress(node.address) }));
  return { requires: requires?.name, strategy, chosen: chosen?.id, candidates, leftOut, nodes };
}
