import { BehaviorSubject, concat, defer, finalize, NEVER, Observable, of, switchMap } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { mergeDiscovery } from '../../src/discovery/mergeDiscovery.js';
import { staticNodes, type StaticNode } from '../../src/discovery/staticNodes.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';

/** A list that the suite edits, which can be cut off, and which counts who listens. */
class EditableList {
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

function staticHarness(): DiscoveryHarness {
  let list = new EditableList();
  return {
    start: () => void (list = new EditableList()),
    stop: () => expect(list.listeners).toBe(0),
    discovery: () => staticNodes(list.list$),
    add: (node) => list.put(node),
    update: (node) => list.replace(node),
    remove: (name) => list.remove(name),
    addBad: () => list.addBad(),
    cut: () => list.connect(false),
    restore: () => list.connect(true),
    opened: () => list.listeners,
  };
}

/** Two lists, which take the nodes in turn; node `a` stands in both. */
function mergeHarness(): DiscoveryHarness {
  let lists: [EditableList, EditableList];
  const of = ({ name }: TestNode) => (name === 'a' ? lists : name === 'b' ? [lists[1]] : [lists[0]]);
  return {
    start: () => void (lists = [new EditableList(), new EditableList()]),
    stop: () => expect(lists.map(({ listeners }) => listeners)).toEqual([0, 0]),
    discovery: () => mergeDiscovery(staticNodes(lists[0].list$), staticNodes(lists[1].list$)),
    add: (node) => of(node).forEach((list) => list.put(node)),
    update: (node) => of(node).forEach((list) => list.replace(node)),
    remove: (name) => lists.forEach((list) => list.remove(name)),
    addBad: () => lists[1].addBad(),
    cut: () => lists[1].connect(false),
    restore: () => lists[1].connect(true),
    opened: () => lists[0].listeners + lists[1].listeners,
  };
}

testDiscovery('staticNodes of an Observable', staticHarness());
testDiscovery('mergeDiscovery of two lists', mergeHarness());

describe('testDiscovery', () => {
  /** Declares the suite for a broken discovery and gives the titles of the cases that catch it. */
  const caught = async (discovery: (list: EditableList) => ReturnType<DiscoveryHarness['discovery']>) => {
    const cases: { readonly title: string; readonly body: () => void | Promise<void> }[] = [];
    let list = new EditableList();
    testDiscovery(
      'a broken one',
      {
        ...staticHarness(),
        start: () => void (list = new EditableList()),
        stop: () => undefined,
        discovery: () => discovery(list),
        add: (node) => list.put(node),
        update: (node) => list.replace(node),
        remove: (name) => list.remove(name),
        addBad: () => list.addBad(),
        cut: () => list.connect(false),
        restore: () => list.connect(true),
        opened: () => list.listeners,
      },
      {
        runner: { describe: (_, body) => body(), it: (title, body) => void cases.push({ title, body }) },
        timeoutMs: 100,
      },
    );
    const failed: string[] = [];
    for (const { title, body } of cases) {
      try {
        await body();
      } catch {
        failed.push(title);
      }
    }
    return failed;
  };

  it('finds nothing to say against a sound discovery', async () => {
    expect(await caught(({ list$ }) => staticNodes(list$))).toEqual([]);
  });

  it('catches one that opens its source before anybody subscribes', async () => {
    expect(
      await caught(({ list$ }) => {
        const eager = new BehaviorSubject<readonly StaticNode[]>([]);
        list$.subscribe({ next: (list) => eager.next(list), error: () => undefined });
        return staticNodes(eager);
      }),
    ).toContain('opens nothing before it is subscribed to, and closes all of it after');
  });

  it('catches one that makes new objects of unchanged nodes', async () => {
    const failed = await caught(
      ({ list$ }) =>
        (query) =>
          list$.pipe(switchMap((list) => concat(staticNodes(list, { invalid: 'skip' })(query), NEVER))),
    );
    expect(failed).toContain('sees a node that comes, and keeps the objects of the others');
    expect(failed).toContain('tells equal sets once');
  });

  it('catches one that ends when its source goes away', async () => {
    const failed = await caught(
      ({ list$ }) =>
        (query) =>
          new Observable((subscriber) =>
            list$.subscribe({
              next: (list) => staticNodes(of(list))(query).subscribe((set) => subscriber.next(set)),
              error: (error) => subscriber.error(error),
            }),
          ),
    );
    expect(failed).toContain('keeps its nodes while the source is away, marked as stale, and is fresh again after');
  });
});
