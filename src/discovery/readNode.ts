/** A node out of a document that somebody wrote by hand, or that a program wrote long ago: nothing in it is trusted. */

import type { Address } from '../core/address.js';
import { FleetError } from '../core/fleetError.js';
import { createNode, type Node, type NodeInit } from '../core/node.js';

const texts = ['id', 'name', 'service', 'namespace', 'version', 'zone', 'region'] as const;
const known = new Set<string>([...texts, 'address', 'addresses', 'weight', 'tags', 'metadata']);

/**
 * Reads `host:port`, or an object with `address` or `addresses` and any of `id`, `name`, `service`, `namespace`,
 * `version`, `zone`, `region`, `weight`, `tags` (a list of `key` and `key=value`, or an object) and `metadata` (an object).
 *
 * @param defaults What counts where the value says nothing.
 * @param onUnknown Told of each field that is not known, which is passed over: a slip of the pen, mostly.
 * @throws FleetError `INVALID_OPTION` that names the field.
 */
export function readNode(value: unknown, defaults: NodeInit = {}, onUnknown?: (field: string) => void): Node {
  if (typeof value === 'string') return createNode({ ...defaults, address: value });
  if (!isRecord(value)) throw invalid('a node', 'host:port, or an object with an address', value);
  const init: { -readonly [K in keyof NodeInit]: NodeInit[K] } = { ...defaults };
  for (const field of texts) if (given(value[field])) init[field] = text(value[field], field);
  if (given(value.address)) init.address = address(value.address, 'address');
  if (given(value.addresses)) {
    init.addresses = list(value.addresses, 'addresses').map((each, i) => address(each, `addresses[${i}]`));
  }
  if (given(value.weight)) init.weight = number(value.weight, 'weight');
  if (given(value.tags)) init.tags = tags(value.tags);
  if (given(value.metadata)) init.metadata = labels(value.metadata, 'metadata');
  for (const field of Object.keys(value)) if (!known.has(field)) onUnknown?.(field);
  return createNode(init);
}

/** True for an object that is no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function text(value: unknown, field: string): string {
  // 1.10 without quotes is the number 1.1: better refused than misread.
  if (typeof value !== 'string') throw invalid(field, 'a text: put it in quotes', value);
  if (value === '') throw invalid(field, 'a text that is not empty', value);
  return value;
}

function address(value: unknown, field: string): string | Address {
  if (typeof value === 'string') return value;
  if (isRecord(value) && typeof value.host === 'string' && typeof value.port === 'number') {
    return { host: value.host, port: value.port };
  }
  throw invalid(field, 'host:port, or { host, port }', value);
}

function number(value: unknown, field: string): number {
  if (typeof value !== 'number') throw invalid(field, 'a number', value);
  return value;
}

function list(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(field, 'a list', value);
  return value;
}

function tags(value: unknown): Record<string, string> {
  if (!Array.isArray(value)) return labels(value, 'tags');
  return Object.fromEntries(
    value.map((tag: unknown, i) => {
      const [, key, label = ''] = /^([^=]+)(?:=(.*))?$/s.exec(text(tag, `tags[${i}]`)) ?? [];
      if (key === undefined) throw invalid(`tags[${i}]`, 'key or key=value', tag);
      return [key, label];
    }),
  );
}

function labels(value: unknown, field: string): Record<string, string> {
  if (!isRecord(value)) throw invalid(field, 'an object of texts', value);
  return Object.fromEntries(
    Object.entries(value).map(([key, label]) => {
      if (label === null) return [key, ''];
      if (typeof label === 'string' || typeof label === 'boolean' || Number.isInteger(label))
        return [key, String(label)];
      throw invalid(`${field}.${key}`, 'a text: put it in quotes', label);
    }),
  );
}

function invalid(field: string, rule: string, value: unknown): FleetError {
  return new FleetError('INVALID_OPTION', `${field} must be ${rule}, not ${shown(value)}`);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
