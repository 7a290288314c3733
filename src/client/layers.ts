/** What `use` holds, each layer brought to its place. */

import type { AttemptMiddleware, Layer, Middleware } from '../call/middleware.js';
import {
  isPolicy,
  type Gate,
  type NodeGate,
  type Policy,
  type PolicyPorts,
  type RunningPolicy,
} from '../call/policy.js';
import { numbered } from '../core/numbered.js';
import { requireOption } from '../core/requireOption.js';

/** The layers of one client, by their places. */
export interface Layers<C> {
  readonly middlewares: readonly Middleware<C>[];
  readonly attemptMiddlewares: readonly AttemptMiddleware<C>[];
  readonly policies: readonly Policy[];
}

/** @throws FleetError `INVALID_OPTION` for what is no layer. */
export function layersOf<C>(use: readonly Layer<C>[]): Layers<C> {
  const middlewares: Middleware<C>[] = [];
  const attemptMiddlewares: AttemptMiddleware<C>[] = [];
  const policies: Policy[] = [];
  use.forEach((layer, i) => {
    if (typeof layer === 'function') middlewares.push(layer);
    else if (isPolicy(layer)) policies.push(layer);
    else {
      const { perAttempt } = (layer ?? {}) as Partial<typeof layer>;
      const what = 'a middleware, one of perAttempt(), or a policy';
      requireOption(typeof perAttempt === 'function', `use[${i}]`, what, typeof layer);
      attemptMiddlewares.push(perAttempt!);
    }
  });
  return { middlewares, attemptMiddlewares, policies };
}

/** The policies of one client at work. */
export interface Policies {
  readonly gates: readonly Gate[];
  readonly nodeGates: readonly NodeGate[];
  readonly beginning: readonly NonNullable<RunningPolicy['begin']>[];
  readonly ending: readonly NonNullable<RunningPolicy['end']>[];
  readonly running: readonly (RunningPolicy & { readonly name: string })[];
}

/** What one of them throws as it starts ends those before it. */
export function startPolicies(policies: readonly Policy[], ports: Omit<PolicyPorts, 'by'>): Policies {
  const names = numbered(policies.map(({ name }) => name));
  const running: (RunningPolicy & { readonly name: string })[] = [];
  try {
    policies.forEach((policy, i) => {
      const name = names[i]!;
      running.push(Object.assign(policy.start({ ...ports, by: name }), { name }));
    });
  } catch (thrown) {
    for (const policy of running) policy.close();
    throw thrown;
  }
  return {
    gates: running.map(({ gate }) => gate).filter((gate) => gate !== undefined),
    nodeGates: running.map(({ nodeGate }) => nodeGate).filter((gate) => gate !== undefined),
    beginning: running.flatMap((policy) => policy.begin?.bind(policy) ?? []),
    ending: running.flatMap((policy) => policy.end?.bind(policy) ?? []),
    running,
  };
}
