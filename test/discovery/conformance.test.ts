import { mergeDiscovery } from '../../src/discovery/mergeDiscovery.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { testDiscovery, type DiscoveryHarness, type TestNode } from '../../src/testing/testDiscovery.js';
import { EditableList } from './editableList.js';

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
