/** Does one request: meets the faults, waits for a slot, works, and sends what comes of it. */

import { toBinary } from '@bufbuild/protobuf';
import { FleetError } from '../../core/fleetError.js';
import { InferResponseSchema, type InferRequest, type InferResponse } from '../../gen/lumen/inference_pb.js';
import type { ServerCall } from '../serverCall.js';
import type { WholeRequest } from './assembleRequest.js';
import { checkInput } from './checkInput.js';
import { failedAnswer, InBandFailure, StatusFailure } from './failure.js';
import { responsesOf } from './responses.js';
import { hang, pause, type Serving } from './serving.js';
import type { NodeService } from './services.js';
import type { NodeTask, TaskOutput } from './tasks/task.js';

export type InferCall = ServerCall<InferRequest, InferResponse>;

/** Where a request goes. */
export interface Route {
  readonly service: NodeService;
  readonly task: NodeTask;
}

/**
 * Answers a request on its call, and leaves the call open.
 *
 * @param route Finds the task; what it throws is the error of the request.
 * @throws FleetError of the request, or of the fault that it met.
 */
export async function answer(node: Serving, call: InferCall, request: WholeRequest, route: () => Route): Promise<void> {
  const { correlationId, meta, payload, messages } = request;
  const log = (service: string) =>
    node.log.begin({
      method: 'Infer',
      task: request.task,
      service,
      correlationId,
      meta,
      bytes: payload.length,
      messages,
    });
  let end: ((outcome: string) => void) | undefined;
  try {
    const { service, task } = route();
    end = log(service.name);
    checkInput(request, task, service);
    await meetFaults(node, call);
    const outcome = await work(node, call, request, { service, task });
    end(call.signal.aborted && outcome === 'OK' ? 'CANCELLED' : outcome);
  } catch (thrown) {
    const error = call.signal.aborted
      ? new FleetError('CANCELLED', 'the caller is gone')
      : FleetError.from(thrown, 'INTERNAL');
    (end ?? log(''))(error.code);
    if (thrown instanceof InBandFailure) await call.send(failedAnswer(correlationId, error));
    else throw error;
  }
}

/** Notes a request that was refused before it was whole; returns why. */
export function refused(node: Serving, error: FleetError, first?: InferRequest): FleetError {
  const { task = '', correlationId = '', meta = {} } = first ?? {};
  node.log.begin({ method: 'Infer', task, correlationId, meta })(error.code);
  return error;
}

async function meetFaults(node: Serving, call: InferCall): Promise<void> {
  const { latencyMs = 0, jitterMs = 0, errorRate = 0, errorEvery, errorCode = 'UNAVAILABLE' } = node.faults;
  const { errorInBand = node.flavour !== 'hub' } = node.faults;
  const fails =
    (errorEvery !== undefined && node.log.requests % errorEvery === 0) || (errorRate > 0 && node.random() < errorRate);
  await pause(latencyMs + (jitterMs > 0 ? (2 * node.random() - 1) * jitterMs : 0), call.signal);
  if (node.faults.hang) await hang(node, call.signal);
  if (!fails || errorCode === 'OK') return;
  throw new (errorInBand ? InBandFailure : StatusFailure)(errorCode, `${node.name} was told to fail`);
}

async function work(node: Serving, call: InferCall, request: WholeRequest, { service, task }: Route): Promise<string> {
  const { signal } = call;
  const release = await node.slots.take(signal);
  try {
    const started = performance.now();
    await pause(node.msPerRequest, signal);
    const { service: _used, ...meta } = request.meta;
    const model = meta['lumen.model.id'] ?? service.models[0]!;
    const delivery = new Delivery(node, call, request.correlationId, { service, task }, model, started);
    if (await delivery.died()) return 'died';
    const { payload, mime } = request;
    for await (const output of task.run({ payload, mime, meta, model, signal })) {
      if (signal.aborted) return 'CANCELLED';
      if (!(await delivery.send(output))) return 'died';
    }
    return 'OK';
  } finally {
    release();
  }
}

/** Sends outputs, until the faults end it. */
class Delivery {
  #sent = 0;

  constructor(
    private readonly node: Serving,
    private readonly call: InferCall,
    private readonly correlationId: string,
    private readonly route: Route,
    private readonly model: string,
    private readonly started: number,
  ) {}

  /** False when the node has died of it. */
  async send(output: TaskOutput): Promise<boolean> {
    const { node, call, correlationId } = this;
    const hub = node.flavour === 'hub';
    const meta: Record<string, string> = hub
      ? { 'lumen.model.id': this.model }
      : { lat_ms: (performance.now() - this.started).toFixed(1) };
    const head = {
      correlationId,
      meta,
      withSchema: hub || this.route.task.name === 'ocr',
    };
    // Python servers do not cut their answers.
    const chunkBytes = hub ? node.responseChunkBytes : Infinity;
    for (const message of responsesOf(output, head, this.#sent, chunkBytes, node.faults)) {
      const { truncatedFrame, garbledFrame } = node.faults;
      if (truncatedFrame || garbledFrame) {
        await call.sendRaw(truncatedFrame ? truncated(message) : garbled());
        call.end();
        return false;
      }
      await call.send(message);
      this.#sent++;
      if (await this.died()) return false;
      const { stallAfterMessages = Infinity } = node.faults;
      if (this.#sent >= stallAfterMessages) {
        await hang(node, call.signal);
        return false;
      }
    }
    return true;
  }

  /** Dies when it is time to. */
  async died(): Promise<boolean> {
    const { dieAfterMessages, death = 'connection' } = this.node.faults;
    if (dieAfterMessages === undefined || this.#sent < dieAfterMessages) return false;
    await this.call.flushed();
    if (death === 'process') process.kill(process.pid, 'SIGKILL');
    else if (death === 'node') this.node.kill();
    else this.call.breakConnection();
    return true;
  }
}

/** A frame whose head promises more than follows. */
function truncated(message: InferResponse): Uint8Array {
  const body = toBinary(InferResponseSchema, message);
  return framed(body.subarray(0, Math.ceil(body.length / 2)), body.length);
}

/** A frame of bytes that no protobuf reader takes: a field that never ends. */
function garbled(): Uint8Array {
  return framed(new Uint8Array(16).fill(0xff), 16);
}

/** gRPC's frame: no compression, the length in four bytes, the bytes. */
function framed(body: Uint8Array, length: number): Uint8Array {
  const frame = Buffer.alloc(5 + body.length);
  frame.writeUInt32BE(length, 1);
  frame.set(body, 5);
  return frame;
}
