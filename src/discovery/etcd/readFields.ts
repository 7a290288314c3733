/** Reads a JSON object of which nothing is certain, so that a foreign value ends as a sentence and not as a crash. */

import { FleetError } from '../../core/fleetError.js';

export type Fields = Readonly<Record<string, unknown>>;

/** @throws FleetError `BAD_SCHEMA` when the text is no JSON object. */
export function readFields(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FleetError('BAD_SCHEMA', 'the value is no JSON', { cause: error });
  }
  if (!isObject(value)) throw new FleetError('BAD_SCHEMA', 'the value is no JSON object');
  return value;
}

/** A text that must be there and not be empty. */
export function requiredText(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new FleetError('BAD_SCHEMA', `the field ${name} must be a text`);
}

/** A text; null, missing and empty are all undefined. */
export function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === 'string') return value || undefined;
  throw new FleetError('BAD_SCHEMA', `the field ${name} must be a text`);
}

/** A number of at least 0; null and missing are undefined. */
export function optionalNumber(fields: Fields, name: string): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= 0) return value;
  throw new FleetError('BAD_SCHEMA', `the field ${name} must be a number of at least 0`);
}

/** An object; null and missing are the empty one. */
export function optionalFields(fields: Fields, name: string): Fields {
  const value = fields[name] ?? {};
  if (isObject(value)) return value;
  throw new FleetError('BAD_SCHEMA', `the field ${name} must be an object`);
}

/** The texts of an object; numbers and truth values as they are written, the rest as JSON. */
export function texts(fields: Fields): Record<string, string> {
  const entries = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
