import { createNode } from '../../src/core/node.js';
import { taskAware } from '../../src/lumen/taskAware.js';
import { taskRequirement } from '../../src/lumen/taskRequirement.js';
import { marble } from '../../src/testing/marble.js';
import { chances } from '../balancer/chances.js';
import { lifecycle } from '../balancer/lifecycle.js';

const offering = (id: string, runtime: string, maxConcurrency = 0) =>
  createNode({
    ...{ id, address: `${id}.example:50051` },
    capabilities: [
      {
        ...{ service: 'hub', models: [], runtime, maxConcurrency, precisions: [], protocolVersion: '', extra: {} },
        tasks: [
          {
            ...{ name: 'ocr', inputMimes: [], outputMimes: [], limits: {} },
            ...{ tensorPreprocessId: '', tensorBatchingSupported: false },
          },
        ],
      },
    ],
  });
/** Scores for the task: 50, 32, 32. */
const [x, y, z] = [offering('x', 'onnxrt-cuda', 100), offering('y', 'onnxrt-cpu'), offering('z', 'onnxrt-cpu')];
const task = { t: { requires: taskRequirement({ tasks: ['ocr'] }) } };

describe('taskAware', () => {
  marble('nodes take turns by their scores for the task', ({ nodes, picks, expectPicks }) => {
    nodes('a-----------|', { a: [x, y, z] }).pipe(taskAware());
    picks('-tttttttttt-|', task);
    expectPicks('-xyxzxyzxyx-|');
  });

  marble('or are drawn by them', ({ nodes, picks, expectPicks }) => {
    // Each draw asks twice: which node, and whether it is kept (x: always, y and z: 32 of 50).
    const random = chances(0, 0.99, 0.4, 0.63, 0.4, 0.65, 0.7, 0.1);
    nodes('a---|', { a: [x, y, z] }).pipe(taskAware({ pick: 'random', random }));
    picks('-ttt|', task);
    expectPicks('-xyz|');
  });

  marble('a node that fails gets less, and is asked again', ({ nodes, picks, expectPicks }) => {
    // Eight calls on y fail: its errors are 57 %, its score is 20.6.
    nodes('a-----------------------------------------|', { a: [y, z] }).pipe(taskAware());
    picks('-tttttttttttttttt-ffffffff-ttttttttttttt--|', { ...task, f: { end: 'y', failed: true } });
    expectPicks('-yzyzyzyzyzyzyzyz-yyyyyyyy-zyzzyzyzzyzyz--|');
  });

  lifecycle(() => taskAware());
});
