/** What a node says of itself, in the way of its make. */

import { create } from '@bufbuild/protobuf';
import { CapabilitySchema, IOTaskSchema, type Capability, type IOTask } from '../../gen/lumen/inference_pb.js';
import type { LumenFlavour } from './flavour.js';
import type { NodeService } from './services.js';
import type { NodeTask } from './tasks/task.js';

export interface CapabilitiesOptions {
  readonly flavour: LumenFlavour;
  readonly services: readonly NodeService[];
  /** Advisory. */
  readonly maxConcurrency: number;
  readonly protocolVersion: string;
}

/**
 * Hub: one capability a service, in the order given. Python: one for all. Python hub: one that holds tasks and nothing
 * else, no name and no version.
 */
export function capabilitiesOf(options: CapabilitiesOptions): readonly Capability[] {
  const { flavour, services, maxConcurrency, protocolVersion } = options;
  const tasks = services.flatMap((service) => service.tasks);
  if (flavour === 'pythonHub') return [create(CapabilitySchema, { tasks: tasks.map(pythonTask) })];
  const common = { maxConcurrency, protocolVersion };
  if (flavour === 'python') {
    const [first] = services;
    const modelIds = [...new Set(services.flatMap((service) => service.models))];
    const capability = { ...common, ...aboutOf(first!), modelIds, tasks: tasks.map(pythonTask) };
    return [create(CapabilitySchema, capability)];
  }
  return services.map((service) =>
    create(CapabilitySchema, { ...common, ...aboutOf(service), tasks: service.tasks.map(hubTask) }),
  );
}

function aboutOf({ name, models, runtime = 'cpu', precisions = ['fp32'] }: NodeService) {
  return { serviceName: name, modelIds: [...models], runtime, precisions: [...precisions] };
}

function hubTask({ name, inputMimes, outputMimes, tensorPreprocessId = '' }: NodeTask): IOTask {
  const init = { name, inputMimes: [...inputMimes], outputMimes: [...outputMimes], tensorPreprocessId };
  return create(IOTaskSchema, init);
}

/** Their proto has no tensor fields; they state limits that no client enforces. */
function pythonTask({ name, inputMimes, outputMimes }: NodeTask): IOTask {
  const limits = { max_payload_size: '52428800', max_concurrency: '1' };
  return create(IOTaskSchema, { name, inputMimes: [...inputMimes], outputMimes: [...outputMimes], limits });
}
