/** A source of nodes that a test edits. */

import { BehaviorSubject, defer, finalize, Observable, switchMap } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { StaticNode } from '../../src/discovery/staticNodes.js';
import type { TestNode } from '../../src/testing/testDiscovery.js';

/** A list that the suite edits, which can be cut off, and which counts who listens. */
export class EditableList {
  readonly #list$ = new BehaviorSubject<readonly StaticNode[]>([]);
  readonly #connected$ = new BehaviorSubject(true);
  listeners = 0;

  readonly list$: Observable<readonly StaticNode[]> = defer(() => {
    this.listeners++;
    return this.#connected$.pipe(
      switchMap((connected) => {
        if (!connected) throw new FleetError('UNAVAILABLE', 'the list is away');
        return this.#list$;
      }),
      finalize(() => this.listeners--),
    );
  });

  put(node: TestNode): void {
    this.remove(node.name);
    this.#list$.next([...this.#list$.value, { id: node.name, address: `127.0.0.1:${node.port}` }]);
  }

  /** Told at once, with the node: a list is edited in one step. */
  replace(node: TestNode): void {
    this.#list$.next(
      this.#list$.value.map((entry) =>
        (entry as { id?: string }).id === node.name ? { id: node.name, address: `127.0.0.1:${node.port}` } : entry,
      ),
    );
  }

  remove(name: string): void {
    const rest = this.#list$.value.filter((entry) => (entry as { id?: string }).id !== name);
    if (rest.length < this.#list$.value.length) this.#list$.next(rest);
  }

  addBad(): void {
    this.#list$.next([...this.#list$.value, 'no address at all']);
  }

  connect(connected: boolean): void {
    this.#connected$.next(connected);
  }
}
