import type { Capability } from '../../src/core/capability.js';
import { createNode, type Node, type NodeState } from '../../src/core/node.js';
import { chosenTasks, offeredTasks, offerOf, serviceFor, taskRequirement } from '../../src/lumen/taskRequirement.js';

const capability = (
  service: string,
  tasks: readonly string[],
  models: readonly string[] = [],
  python = false,
): Capability => ({
  ...{ service, models, runtime: '', maxConcurrency: 1, precisions: [], protocolVersion: '1.0', extra: {} },
  tasks: tasks.map((name) => ({
    ...{ name, inputMimes: [], outputMimes: [], tensorPreprocessId: '', tensorBatchingSupported: false },
    limits: python ? { max_payload_size: '52428800' } : ({} as Record<string, string>),
  })),
});
const node = (id: string, capabilities: readonly Capability[], state: Partial<NodeState> = {}): Node =>
  createNode({ id, address: '10.0.0.1:1', availability: 'ready', capabilities, ...state });
const hub = node('hub', [
  capability('ocr', ['ocr'], ['pp']),
  capability('siglip', ['semantic_text_embed', 'ocr'], ['s1', 's2']),
]);
const python = node('python', [capability('lumen', ['ocr', 'clip_text_embed'], ['c'], true)]);

describe('offerOf and taskRequirement', () => {
  it('finds the service that has the task, and the model if one is asked for', () => {
    expect(offerOf(hub, { tasks: ['ocr'] })?.capability.service).toBe('ocr');
    expect(offerOf(hub, { tasks: ['ocr'], model: 's2' })?.capability.service).toBe('siglip');
    expect(offerOf(hub, { tasks: ['ocr'], service: 'siglip' })?.capability.service).toBe('siglip');
    expect(offerOf(hub, { tasks: ['semantic_text_embed'], model: 'pp' })).toBeUndefined();
    expect(offerOf(hub, { tasks: ['none'] })).toBeUndefined();
  });

  it('names what it requires in words, equal words for equal conditions', () => {
    expect(taskRequirement({ tasks: ['ocr'] }).name).toBe('task ocr');
    expect(taskRequirement({ tasks: ['ocr'], model: 'pp', service: 'ocr' }).name).toBe(
      'task ocr, model pp, service ocr',
    );
    const also = { name: 'zone eu', test: (each: Node) => each.zone === 'eu' };
    expect(taskRequirement({ tasks: ['ocr'] }, undefined, also).name).toBe('task ocr, zone eu');
    expect(taskRequirement({ tasks: ['ocr'] }, undefined, also).test(hub)).toBe(false);
  });

  it('keeps a payload in pieces away from nodes that take each piece for a picture of its own', () => {
    const large = taskRequirement({ tasks: ['ocr'], inPieces: true });
    expect([large.test(hub), large.test(python)]).toEqual([true, false]);
    expect(taskRequirement({ tasks: ['clip_text_embed'], inPieces: true }).test(python)).toBe(true);
    expect(taskRequirement({ tasks: ['ocr'] }).test(python)).toBe(true);
  });
});

describe('chosenTasks', () => {
  const demand = { tasks: ['semantic_text_embed', 'clip_text_embed'] };

  it('goes by one name for all calls, the first that is offered now', () => {
    expect(chosenTasks([python, hub], demand)).toEqual(['semantic_text_embed']);
    expect(chosenTasks([python], demand)).toEqual(['clip_text_embed']);
  });

  it('passes over nodes that take no calls', () => {
    const down = node('hub', hub.capabilities, { availability: 'unavailable' });
    expect(chosenTasks([down, python], demand)).toEqual(['clip_text_embed']);
  });

  it('keeps all names while none is offered', () => {
    expect(chosenTasks([], demand)).toEqual(demand.tasks);
  });
});

describe('serviceFor', () => {
  it('is filled in where the node has several services, and left out where it has one', () => {
    expect(serviceFor(hub, offerOf(hub, { tasks: ['semantic_text_embed'] })!)).toBe('siglip');
    expect(serviceFor(python, offerOf(python, { tasks: ['ocr'] })!)).toBeUndefined();
  });
});

it('offeredTasks lists each task once, sorted', () => {
  expect(offeredTasks([python, hub])).toEqual(['clip_text_embed', 'ocr', 'semantic_text_embed']);
});
