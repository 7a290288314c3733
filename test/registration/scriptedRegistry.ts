/** A registry whose answers are scripted, one after another; the last of each kind is given again and again. */

import { defer, ignoreElements, map, type Observable } from 'rxjs';
import type { Node } from '../../src/core/node.js';
import type { Registry } from '../../src/registration/registry.js';

export interface Script {
  /** Any value answers. */
  readonly put: readonly Observable<unknown>[];
  /** A number is the life that is granted; anything else grants the same as before. */
  readonly renew?: readonly Observable<unknown>[];
  readonly update?: readonly Observable<unknown>[];
  readonly withdraw?: readonly Observable<unknown>[];
  readonly ttlMs?: number;
}

export interface ScriptedRegistry extends Registry {
  /** What was asked, in order: `put 1`, `renew`, `update 2` (the number is the weight), `withdraw`. */
  readonly asked: readonly string[];
}

export function scriptedRegistry(script: Script): ScriptedRegistry {
  const { ttlMs = 9 } = script;
  const asked: string[] = [];
  const taken = { put: 0, renew: 0, update: 0, withdraw: 0 };
  const answer = (kind: keyof typeof taken, node?: Node): Observable<unknown> =>
    defer(() => {
      asked.push(node ? `${kind} ${node.weight}` : kind);
      const answers = script[kind] ?? [];
      const next = answers[Math.min(taken[kind]++, answers.length - 1)];
      if (!next) throw new Error(`no answer to ${kind} in the script`);
      return next;
    });
  return {
    name: 'script',
    asked,
    put: (node) =>
      answer('put', node).pipe(
        map(() => ({
          ...{ key: `/script/${node.id}`, ttlMs },
          renew: () => answer('renew').pipe(map((granted) => (typeof granted === 'number' ? granted : ttlMs))),
          update: (next: Node) => answer('update', next).pipe(ignoreElements()),
          withdraw: () => answer('withdraw').pipe(ignoreElements()),
        })),
      ),
  };
}
