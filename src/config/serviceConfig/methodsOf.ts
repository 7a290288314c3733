/** What a service config says of methods: deadlines, sizes, retries and hedges. Rules of gRFC A6 and of service_config.proto. */

import type { HedgeOptions } from '../../call/hedgeOptions.js';
import type { RetryOptions } from '../../call/retryOptions.js';
import type { MethodOptions } from '../../client/engineOptions.js';
import { FleetError } from '../../core/fleetError.js';
import { JsonFields } from './jsonFields.js';

const known = [
  'name',
  'waitForReady',
  'timeout',
  'maxRequestMessageBytes',
  'maxResponseMessageBytes',
  'retryPolicy',
  'hedgingPolicy',
];

/** More attempts than these are treated as if they were these (A6). */
const most = 5;

/** `methods` of a fleet from the `methodConfig` at `path`. */
export function methodsOf(configs: readonly unknown[], path: string): Record<string, MethodOptions> {
  const methods: Record<string, MethodOptions> = {};
  configs.forEach((value, i) => {
    const config = new JsonFields(value, `${path}[${i}]`, known);
    const options = optionsOf(config);
    const names = config.list('name') ?? [];
    if (names.length === 0) {
      throw new FleetError('INVALID_OPTION', `${config.path} has no effect: it names no method; [{}] names all`);
    }
    names.forEach((name, j) => {
      const key = keyOf(name, `${config.at('name')}[${j}]`);
      if (key in methods) throw new FleetError('INVALID_OPTION', `${config.at('name')}[${j}]: ${key} is named twice`);
      methods[key] = options;
    });
  });
  return methods;
}

function keyOf(value: unknown, path: string): string {
  const name = new JsonFields(value, path, ['service', 'method']);
  const service = name.text('service') ?? '';
  const method = name.text('method') ?? '';
  if (service !== '') return `/${service}/${method === '' ? '*' : method}`;
  if (method === '') return '*';
  throw new FleetError('INVALID_OPTION', `${path}.service must be given: ${method} alone names no method`);
}

function optionsOf(config: JsonFields): MethodOptions {
  const waitForReady = config.flag('waitForReady');
  const timeout = config.time('timeout');
  const request = config.whole('maxRequestMessageBytes', 0);
  const response = config.whole('maxResponseMessageBytes', 0);
  return {
    ...(waitForReady === undefined ? {} : { waitForReady }),
    ...(timeout === undefined ? {} : { longestDeadlineMs: timeout }),
    ...(request === undefined ? {} : { maxRequestBytes: request }),
    ...(response === undefined ? {} : { maxResponseBytes: response }),
    ...attemptsOf(config),
  };
}

/**
 * Who writes a policy into the config of a service says that its methods may run twice. Where there is none nothing is
 * repeated, but what never left the client.
 */
function attemptsOf(config: JsonFields): MethodOptions {
  const retry = config.get('retryPolicy');
  const hedge = config.get('hedgingPolicy');
  if (retry !== undefined && hedge !== undefined) {
    throw new FleetError('INVALID_OPTION', `${config.path} has both a retryPolicy and a hedgingPolicy: give one`);
  }
  if (retry !== undefined) return { ...retryOf(retry, config.at('retryPolicy')), failover: true };
  if (hedge !== undefined) return { hedge: hedgeOf(hedge, config.at('hedgingPolicy')), retry: once, failover: true };
  return { retry: once };
}

const once: RetryOptions = { maxAttempts: 1 };

function retryOf(value: unknown, path: string): MethodOptions {
  const policy = new JsonFields(value, path, [
    'maxAttempts',
    'initialBackoff',
    'maxBackoff',
    'backoffMultiplier',
    'retryableStatusCodes',
    'perAttemptRecvTimeout',
  ]);
  const codes = policy.required('retryableStatusCodes', policy.codes('retryableStatusCodes'));
  if (codes.length === 0) throw policy.refuse('retryableStatusCodes', 'a list with at least one status');
  const retry: RetryOptions = {
    maxAttempts: Math.min(most, policy.required('maxAttempts', policy.whole('maxAttempts', 2))),
    initialBackoffMs: policy.required('initialBackoff', policy.time('initialBackoff')),
    maxBackoffMs: policy.required('maxBackoff', policy.time('maxBackoff')),
    backoffMultiplier: policy.required(
      'backoffMultiplier',
      policy.number('backoffMultiplier', 'a number over 0', (factor) => factor > 0),
    ),
    retryableCodes: codes,
  };
  const perAttempt = policy.time('perAttemptRecvTimeout');
  return perAttempt === undefined ? { retry } : { retry, firstResponseTimeoutMs: perAttempt };
}

function hedgeOf(value: unknown, path: string): HedgeOptions {
  const policy = new JsonFields(value, path, ['maxAttempts', 'hedgingDelay', 'nonFatalStatusCodes']);
  return {
    maxAttempts: Math.min(most, policy.required('maxAttempts', policy.whole('maxAttempts', 2))),
    delayMs: policy.duration('hedgingDelay') ?? 0,
    nonFatalCodes: policy.codes('nonFatalStatusCodes') ?? [],
  };
}
