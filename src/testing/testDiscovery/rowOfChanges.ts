/** A row of changes at a source, some of them while it is away, and what it listed after each. */

import type { SourceState } from '../watchGuarantees.js';
import type { TestNode } from './testNode.js';
import type { Watch } from './watch.js';

type Done = void | Promise<void>;

/** What is needed of a harness. */
export interface ChangeableSource {
  readonly history?: boolean;
  add(node: TestNode): Done;
  update(node: TestNode): Done;
  remove(name: string): Done;
  cut?(): Done;
  restore?(): Done;
}

const nodes: readonly TestNode[] = ['a', 'b', 'c', 'd'].map((name, i) => ({ name, port: 50_071 + i }));
const [a, b, c, d] = nodes as [TestNode, TestNode, TestNode, TestNode];
const moved = (node: TestNode): TestNode => ({ ...node, port: node.port + 10 });

/**
 * Makes the changes, with the client keeping up with some and not with others; resolves, once the client shows the last
 * of them and is fresh, with every state that the source was in.
 */
export async function rowOfChanges(
  harness: ChangeableSource,
  world: Watch,
  idOf: (node: TestNode) => string,
): Promise<readonly SourceState[]> {
  const there = new Map<string, TestNode>();
  const states: SourceState[] = [new Map()];
  const listed = () => states.push(new Map([...there.values()].map((node) => [idOf(node), String(node.port)])));
  let away = false;
  const keptUp = async () => {
    if (harness.history === false && !away) await world.until(...there.values());
  };
  const put = async (node: TestNode) => {
    const known = there.has(node.name);
    there.set(node.name, node);
    // Before the change is made: the client may see it before the source has said that it is done.
    listed();
    await (known ? harness.update(node) : harness.add(node));
    await keptUp();
  };
  const drop = async (node: TestNode) => {
    there.delete(node.name);
    listed();
    await harness.remove(node.name);
    await keptUp();
  };

  await put(a);
  await put(b);
  await world.until(...there.values());
  await put(moved(a));
  await drop(b);
  await put(c);
  await world.until(...there.values());
  if (harness.cut && harness.restore) {
    await harness.cut();
    away = true;
    await world.untilStale(true);
    await put(d);
    await drop(a);
    await harness.restore();
    away = false;
    await world.untilStale(false);
  }
  await put(moved(c));
  await put(b);
  await world.until(...there.values());
  return states;
}
