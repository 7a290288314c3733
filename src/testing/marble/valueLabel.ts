/** A value in a few words, the same in every run: no revision, port or time of its own making. */

import type { Node } from '../../core/node.js';
import { obstacleOf } from '../../core/isRoutable.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { DrawnNode } from './marbleRecord.js';

/** Characters of a label, and fields or elements of a value. */
const longest = 160;
const most = 12;

/** A value as a legend shows it: errors by their code, nodes by their id, everything else as short as it can be told. */
export function valueLabel(value: unknown): string {
  const label = toldSafely(value);
  const line = label.replaceAll(/\s+/g, ' ').trim() || '" "';
  return line.length > longest ? `${line.slice(0, longest - 1).trimEnd()}…` : line;
}

/** A value whose getters throw is no reason for a case to fail. */
function toldSafely(value: unknown): string {
  try {
    return told(value, 0);
  } catch {
    return 'a value that cannot be told';
  }
}

/** A node as a picture shows it. */
export function drawnNode(node: Node): DrawnNode {
  const out = obstacleOf(node)?.obstacle;
  const note = [
    ...(node.weight === 1 ? [] : [`weight ${node.weight}`]),
    ...(node.zone === undefined ? [] : [`zone ${node.zone}`]),
    ...Object.entries(node.tags).map(([key, value]) => (value === '' ? key : `${key}=${value}`)),
    ...Object.entries(node.load).map(([key, value]) => `${key} ${value}`),
  ].join(', ');
  return { id: node.id, ...(out && { out }), ...(note && { note }) };
}

function told(value: unknown, depth: number): string {
  if (typeof value === 'string') return value === '' ? '""' : value;
  if (typeof value === 'function') return value.name ? `${value.name}()` : 'a function';
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Error) return toldError(value);
  if (value instanceof NodeSet) return toldSet(value);
  if (isNode(value)) return [value.id, ...outOf(value)].join(' ');
  if (value instanceof Uint8Array) return `${value.length} ${value.length === 1 ? 'byte' : 'bytes'}`;
  if (value instanceof Map)
    return toldFields(
      [...value].map(([key, each]) => [String(key), each]),
      depth,
    );
  if (Array.isArray(value) || value instanceof Set) return toldList([...value], depth);
  if (value instanceof Date) return value.toISOString();
  if ('subscribe' in value) return 'an Observable';
  return toldObject(value, depth);
}

function toldError(error: Error): string {
  const { code } = error as { code?: unknown };
  const message = 'detail' in error ? String(error.detail) : error.message;
  const name = typeof code === 'string' ? code : error.name;
  return message ? `${name}: ${message}` : name;
}

function toldSet(set: NodeSet): string {
  const shown = set.nodes.slice(0, most).map((node) => told(node, 1));
  const nodes = [...shown, ...(set.size > most ? [`and ${set.size - most} more`] : [])].join(' ') || 'no nodes';
  return set.stale ? `${nodes} (stale: ${set.stale.reason})` : nodes;
}

function outOf(node: Node): readonly string[] {
  const refusal = obstacleOf(node);
  return refusal ? [`(${refusal.obstacle})`] : [];
}

function isNode(value: object): value is Node {
  return 'id' in value && 'addresses' in value && 'availability' in value && 'ejections' in value;
}

function toldObject(value: object, depth: number): string {
  const fields = Object.entries(value).filter(([key, each]) => isTelling(key, each));
  // Messages of protobuf bear their name; a class bears its own.
  const { $typeName } = value as { $typeName?: unknown };
  const name = typeof $typeName === 'string' ? $typeName.split('.').at(-1)! : classOf(value);
  const inner = fields.length > 0 ? toldFields(fields, depth) : '';
  return [name, inner].filter(Boolean).join(' ') || '{}';
}

/** Fields that are not set tell nothing. */
function isTelling(key: string, value: unknown): boolean {
  if (key.startsWith('$') || key === 'case' || typeof value === 'function') return false;
  return !(value === undefined || value === '' || value === 0 || value === 0n || value === false) && !isHollow(value);
}

function isHollow(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof NodeSet) return false;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  return Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0;
}

function classOf(value: object): string {
  const { constructor } = value as { constructor?: { name?: string } };
  return constructor === Object || !constructor?.name ? '' : constructor.name;
}

function toldFields(fields: readonly (readonly [string, unknown])[], depth: number): string {
  if (depth > 2) return '{…}';
  const shown = fields.slice(0, most).map(([key, value]) => `${key}: ${told(value, depth + 1)}`);
  return `{ ${[...shown, ...(fields.length > most ? ['…'] : [])].join(', ')} }`;
}

function toldList(values: readonly unknown[], depth: number): string {
  if (values.length === 0) return 'none';
  if (depth > 2) return '[…]';
  const shown = values.slice(0, most).map((value) => told(value, depth + 1));
  const text = [...shown, ...(values.length > most ? ['…'] : [])].join(', ');
  return depth === 0 ? text : `[${text}]`;
}
