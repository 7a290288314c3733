/** What calls are assumed to want, by the client and by their method, brought together with what they ask for. */

import type { CallOptions } from '../call/call.js';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import { checkCallOptions, type MethodOptions } from './engineOptions.js';

/** The options of each call: its own before those of its method, before those of the client. */
export type CallDefaults = (name: string, own: CallOptions | undefined) => CallOptions;

/** @throws FleetError `INVALID_OPTION` for options that make no sense, or a name that no method can have. */
export function callDefaults(calls: CallOptions, methods: Readonly<Record<string, MethodOptions>> = {}): CallDefaults {
  checkCallOptions(calls);
  const known = new Map<string, ReturnType<typeof resolved>>();
  for (const [name, options] of Object.entries(methods)) {
    checkMethod(name, options);
    known.set(name, resolved(calls, options));
  }
  const others = known.get('*') ?? resolved(calls, {});
  if (known.size === 0) return (_, own) => others(own);
  return (name, own) => (known.get(name) ?? known.get(serviceOf(name)) ?? others)(own);
}

/** The options of the calls of one method. */
function resolved(
  calls: CallOptions,
  { longestDeadlineMs, ...method }: MethodOptions,
): (own: CallOptions | undefined) => CallOptions {
  const both = over(calls)(method);
  const merged = over(both);
  if (longestDeadlineMs === undefined) {
    if (Object.keys(both).length === 0) return (own) => own ?? both;
    return (own) => (own === undefined ? both : merged(own));
  }
  const limited = (options: CallOptions): CallOptions => {
    const { deadlineMs = Infinity } = options;
    return deadlineMs <= longestDeadlineMs ? options : { ...options, deadlineMs: longestDeadlineMs };
  };
  const alone = limited(both);
  return (own) => (own === undefined ? alone : limited(merged(own)));
}

/** Brings options and their defaults together; what is given as `undefined` is not given. */
function over(defaults: CallOptions): (own: CallOptions) => CallOptions {
  const keys = (Object.keys(defaults) as (keyof CallOptions)[]).filter((key) => defaults[key] !== undefined);
  return (own) => {
    const merged: Record<string, unknown> = { ...defaults, ...own };
    for (const key of keys) if (merged[key] === undefined) merged[key] = defaults[key];
    return merged;
  };
}

/** `/demo.Greeter/*` for `/demo.Greeter/SayHello`. */
function serviceOf(name: string): string {
  return `${name.slice(0, name.lastIndexOf('/') + 1)}*`;
}

function checkMethod(name: string, options: MethodOptions): void {
  const shape = 'a path such as /demo.Greeter/SayHello, /demo.Greeter/* or *';
  requireOption(
    name === '*' || /^\/?[^/*]+(\/(\*|[^/*]+))?$/.test(name),
    `methods["${name}"]`,
    `named by ${shape}`,
    name,
  );
  const { longestDeadlineMs } = options;
  try {
    checkCallOptions(options);
    if (longestDeadlineMs === undefined) return;
    requireOption(longestDeadlineMs > 0, 'longestDeadlineMs', 'above 0', longestDeadlineMs);
  } catch (thrown) {
    const error = FleetError.from(thrown);
    throw new FleetError(error.code, `methods["${name}"]: ${error.detail}`, { cause: error });
  }
}
