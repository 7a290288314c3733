/** OpenTelemetry: the metrics and spans of a fleet, a pool or a Lumen client. */

export { openTelemetry } from './otel/openTelemetry.js';
export type { OpenTelemetryOptions, OptionalAttribute } from './otel/openTelemetryOptions.js';
export type { Watched, WatchedEvent } from './otel/watched.js';
