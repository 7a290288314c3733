/** Inferences, as the GenAI conventions measure them. */

import type { InferenceAnswered, InferenceEnded, InferenceInfo } from '../../lumen/inferenceEvent.js';
import type { Address } from '../../core/address.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { Attributes, Distribution, Metric } from '../metric.js';
import type { EventHandlers, Recorder } from '../recorder.js';
import type { GenAiMetric } from './genAiMetrics.js';
import { isTextPart, modelOf, operationOf, provider, type Operation } from './operation.js';
import type { WatchedEvent } from './watched.js';

/** Models that have series of their own; names come from callers. */
const mostModels = 1_000;

/** What is known of an inference that runs. */
interface Running {
  readonly operation: Operation;
  readonly requestModel: string;
  responseModel: string;
  /** The id of the node that answered last. */
  node: string;
  /** Since its start, in milliseconds; undefined before the first part. */
  lastPartMs: number | undefined;
  /** Held on to, since a text has many parts. */
  perPart: Distribution | undefined;
  inputTokens: number | undefined;
  outputTokens: number | undefined;
}

export class GenAiRecorder implements Recorder<WatchedEvent> {
  readonly on: EventHandlers<WatchedEvent> = {
    inferenceStarted: ({ inference }) => this.started(inference),
    inferenceAnswered: (event) => this.answered(event),
    inferenceEnded: (event) => this.finished(event),
  };
  private readonly running = new Map<InferenceInfo, Running>();
  private readonly models = new Set<string>();
  private readonly known = new Map<string, Distribution>();
  private readonly metrics: Readonly<Record<GenAiMetric, Metric>>;
  private readonly addressOf: ((node: string) => Address | undefined) | undefined;

  /** @param nodes given where metrics are to tell the address of the node. */
  constructor(metrics: Readonly<Record<GenAiMetric, Metric>>, nodes: (() => NodeSet) | undefined) {
    this.metrics = metrics;
    this.addressOf = nodes && ((id) => nodes().get(id)?.address);
  }

  private started(inference: InferenceInfo): void {
    const operation = operationOf(inference);
    if (operation === undefined) return;
    this.running.set(inference, {
      ...{ operation, requestModel: this.bounded(inference.model ?? ''), responseModel: '', node: '' },
      ...{ lastPartMs: undefined, perPart: undefined, inputTokens: undefined, outputTokens: undefined },
    });
  }

  private answered({ inference, answer, sinceMs }: InferenceAnswered): void {
    const running = this.running.get(inference);
    if (running === undefined) return;
    const responseModel = this.bounded(modelOf(answer));
    if (responseModel !== running.responseModel || answer.node !== running.node) running.perPart = undefined;
    running.responseModel = responseModel;
    running.node = answer.node;
    if (isTextPart(answer)) {
      // What another node wrote before a break, it does not count.
      if (answer.continuity === 'exact') {
        running.inputTokens = answer.inputTokens;
        running.outputTokens = answer.outputTokens;
      }
      // The last part of a stream may only say that it is over.
      if (answer.text === '') return;
    }
    if (!inference.streamed) return;
    const { lastPartMs } = running;
    if (lastPartMs === undefined) this.of('timeToFirstChunk', running).observe(sinceMs / 1_000);
    else (running.perPart ??= this.of('timePerOutputChunk', running)).observe((sinceMs - lastPartMs) / 1_000);
    running.lastPartMs = sinceMs;
  }

  private finished({ inference, code, latencyMs }: InferenceEnded): void {
    const running = this.running.get(inference);
    if (running === undefined) return;
    this.running.delete(inference);
    this.of('duration', running, code === 'OK' ? {} : { code }).observe(latencyMs / 1_000);
    const { inputTokens, outputTokens } = running;
    if (inputTokens !== undefined) this.of('tokenUsage', running, { tokenType: 'input' }).observe(inputTokens);
    if (outputTokens !== undefined) this.of('tokenUsage', running, { tokenType: 'output' }).observe(outputTokens);
  }

  private of(metric: GenAiMetric, running: Running, more: Attributes = {}): Distribution {
    const { operation, requestModel, responseModel, node } = running;
    const address = this.addressOf?.(node);
    const { host, port } = address ?? {};
    const key = [metric, operation, requestModel, responseModel, host, port, ...Object.values(more)].join('\n');
    let found = this.known.get(key);
    if (found === undefined) {
      found = this.metrics[metric].distribution({
        ...{ operation, provider },
        ...(requestModel && { requestModel }),
        ...(responseModel && { responseModel }),
        ...(address && { serverAddress: address.host, serverPort: String(address.port) }),
        ...more,
      });
      this.known.set(key, found);
    }
    return found;
  }

  private bounded(model: string): string {
    if (model === '' || this.models.has(model)) return model;
    if (this.models.size >= mostModels) return '_OTHER';
    this.models.add(model);
    return model;
  }
}
