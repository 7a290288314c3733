/**
 * The metrics that OpenTelemetry's semantic conventions have for clients of generative AI, with the buckets that they
 * recommend.
 *
 * Those of version 1.41.0, the last that was released with them. They are developed further in a repository of their own
 * (https://github.com/open-telemetry/semantic-conventions-genai), where some are being renamed and none is released yet.
 */

import type { MetricSpec } from '../metricSpec.js';

/** Seconds. */
const durationBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const tokenBuckets = Array.from({ length: 14 }, (_, i) => 4 ** i);

const operation = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  responseModel: 'gen_ai.response.model',
};

export const genAiMetrics = {
  duration: {
    name: 'gen_ai.client.operation.duration',
    kind: 'histogram',
    unit: 's',
    description: 'From the request of an inference to its end, as its user sees it, with all its calls and waits.',
    attributes: { ...operation, code: 'error.type' },
    buckets: durationBuckets,
  },
  timeToFirstChunk: {
    name: 'gen_ai.client.operation.time_to_first_chunk',
    kind: 'histogram',
    unit: 's',
    description: 'From the request of an inference to its first part; of those that are answered in parts.',
    attributes: operation,
    buckets: durationBuckets,
  },
  timePerOutputChunk: {
    name: 'gen_ai.client.operation.time_per_output_chunk',
    kind: 'histogram',
    unit: 's',
    description: 'From one part of an answer to the next.',
    attributes: operation,
    buckets: durationBuckets,
  },
  tokenUsage: {
    name: 'gen_ai.client.token.usage',
    kind: 'histogram',
    unit: '{token}',
    description: 'Tokens that a node read and wrote, where it says so.',
    attributes: { ...operation, tokenType: 'gen_ai.token.type' },
    buckets: tokenBuckets,
  },
} as const satisfies Record<string, MetricSpec>;

export type GenAiMetric = keyof typeof genAiMetrics;
