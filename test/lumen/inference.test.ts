import { create } from '@bufbuild/protobuf';
import { asyncScheduler, BehaviorSubject, EMPTY, lastValueFrom, of, throwError, toArray, type Observable } from 'rxjs';
import type { CallSpec } from '../../src/client/callSpec.js';
import type { Capability } from '../../src/core/capability.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { InferResponseSchema, type InferRequest as WireRequest } from '../../src/gen/lumen/inference_pb.js';
import { finalResult } from '../../src/lumen/assembleParts.js';
import { inference, inferenceRetry, type InferenceDefaults, type InferOptions } from '../../src/lumen/inference.js';
import type { InferRequest } from '../../src/lumen/inferRequest.js';
import { singleMessageTasks } from '../../src/lumen/taskRequirement.js';

const capability = (service: string, models: readonly string[]): Capability => ({
  ...{ service, models, runtime: '', maxConcurrency: 1, precisions: [], protocolVersion: '1.0', extra: {} },
  tasks: [
    {
      name: 'embed',
      inputMimes: [],
      outputMimes: [],
      limits: {},
      tensorPreprocessId: `${service}-224`,
      tensorBatchingSupported: false,
    },
  ],
});
const node = createNode({
  id: 'hub',
  address: '10.0.0.1:1',
  availability: 'ready',
  capabilities: [capability('one', ['m1']), capability('two', ['m2'])],
});

/** Runs an inference against a fleet that only notes what it is asked. */
async function specOf(
  request: Partial<InferRequest>,
  options: InferOptions = {},
  defaults: Partial<InferenceDefaults> = {},
  single = true,
) {
  const specs: CallSpec<WireRequest, unknown, unknown>[] = [];
  const ports = {
    fleet: {
      nodes$: new BehaviorSubject(NodeSet.of([node])),
      call: ((spec: (typeof specs)[number]) => {
        specs.push(spec);
        return EMPTY;
      }) as never,
    },
    defaults: { retry: inferenceRetry, singleMessageTasks, ...defaults },
    newId: () => 'id',
    scheduler: asyncScheduler,
    denied: () => {},
  };
  const full = { task: 'embed', payload: 'x', ...request } as InferRequest;
  await lastValueFrom(inference(ports, full, options, { of: finalResult(), single }).pipe(toArray()));
  const spec = specs[0]!;
  return { spec, messages: [...(spec.request(node, full as never) as Iterable<WireRequest>)] };
}

describe('inference', () => {
  it('asks for the service that has the model', async () => {
    expect((await specOf({ model: 'm2' })).messages[0]!.meta).toEqual({ service: 'two', 'lumen.model.id': 'm2' });
    expect((await specOf({})).messages[0]!.meta).toEqual({ service: 'one' });
    expect((await specOf({ service: 'two' })).messages[0]!.meta).toEqual({ service: 'two' });
  });

  it('fills in how the picked node wants a tensor preprocessed, unless the request says', async () => {
    const tensor = { dtype: 'uint8', shape: [1, 1, 1], layout: 'CHW' } as const;
    const payload = new Uint8Array(1);
    const id = async (request: Partial<InferRequest>) =>
      (await specOf(request)).messages[0]!.meta['lumen.preprocess.id'];
    expect(await id({ tensor, payload, model: 'm2' })).toBe('two-224');
    expect(await id({ tensor: { ...tensor, preprocessId: 'mine' }, payload })).toBe('mine');
  });

  it('has 30 s for one result and 300 s for parts, unless told otherwise', async () => {
    expect((await specOf({})).spec.deadlineMs).toBe(30_000);
    expect((await specOf({}, {}, {}, false)).spec.deadlineMs).toBe(300_000);
    expect((await specOf({}, {}, { deadlineMs: 7 })).spec.deadlineMs).toBe(7);
    expect((await specOf({}, { deadlineMs: 5 }, { deadlineMs: 7 })).spec.deadlineMs).toBe(5);
    expect((await specOf({}, { deadlineMs: undefined }, { deadlineMs: 7 })).spec.deadlineMs).toBe(7);
  });

  it('retries on other nodes, as a call that is safe to repeat, unless told not to', async () => {
    const { spec } = await specOf({});
    expect(spec).toMatchObject({ idempotent: true, retry: inferenceRetry });
    expect((await specOf({}, { retry: { maxAttempts: 5 } })).spec.retry).toEqual({ ...inferenceRetry, maxAttempts: 5 });
    expect((await specOf({}, { retry: false })).spec.retry).toBe(false);
    expect((await specOf({}, {}, { retry: false })).spec.retry).toBe(false);
  });

  it('joins what the user requires to what the task requires', async () => {
    const requires = { name: 'zone eu', test: () => false };
    const { spec } = await specOf({}, { requires });
    expect(spec.requires!.name).toBe('task embed, zone eu');
    expect(spec.requires!.test(node)).toBe(false);
  });

  it('tells of a node that denies a task that it offers', async () => {
    const denied: string[] = [];
    const answer = (answers$: Observable<unknown>) =>
      lastValueFrom(
        inference(
          {
            fleet: {
              nodes$: new BehaviorSubject(NodeSet.of([node])),
              call: ((spec: CallSpec<WireRequest, unknown, unknown>) => spec.answers!(answers$, node)) as never,
            },
            defaults: { retry: false, singleMessageTasks },
            newId: () => 'id',
            scheduler: asyncScheduler,
            denied: (id) => denied.push(id),
          },
          { task: 'embed', payload: 'x' },
          {},
          { of: finalResult(), single: true },
        ),
      );
    const result = await answer(of(create(InferResponseSchema, { correlationId: 'id', isFinal: true })));
    expect(result).toMatchObject({ node: 'hub', task: 'embed', correlationId: 'id' });
    await expect(answer(throwError(() => new FleetError('NOT_FOUND', 'no such task')))).rejects.toThrow('no such task');
    expect(denied).toEqual(['hub']);
  });
});
