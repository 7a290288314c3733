import { BehaviorSubject, concat, NEVER, Observable, of, switchMap } from 'rxjs';
import { staticNodes, type StaticNode } from '../../src/discovery/staticNodes.js';
import { testDiscovery, type DiscoveryHarness } from '../../src/testing/testDiscovery.js';
import { EditableList } from '../discovery/editableList.js';

describe('testDiscovery', () => {
  /** Declares the suite for a broken discovery and gives the titles of the cases that catch it. */
  const caught = async (discovery: (list: EditableList) => ReturnType<DiscoveryHarness['discovery']>) => {
    const cases: { readonly title: string; readonly body: () => void | Promise<void> }[] = [];
    let list = new EditableList();
    testDiscovery(
      'a broken one',
      {
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
