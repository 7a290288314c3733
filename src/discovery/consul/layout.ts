/** How a node stands in Consul: what each layout writes into a service, and reads out of one. */

import { isIPv4, formatAddress } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import type { Node, NodeInit } from '../../core/node.js';
import type { ConsulEntry } from './consulEntry.js';

/** What is put into Consul for a node, but for its check; Consul's own names. */
export interface ConsulService {
  readonly ID: string;
  readonly Name: string;
  readonly Tags: readonly string[];
  readonly Address: string;
  readonly Port: number;
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Weights?: { readonly Passing: number; readonly Warning: number };
}

/** Two functions: how to read a node, and how to write one. */
export interface ConsulLayout {
  readonly name: string;
  /**
   * What the tags and the Meta of an entry say. Id, name, address, weight and health are known already; what is given
   * here counts instead. Undefined leaves the entry out, silently; what is thrown skips it, with an event.
   */
  read(entry: ConsulEntry): Partial<NodeInit> | undefined;
  /** The service for a node. Throws a `FleetError` `INVALID_OPTION` for what it cannot hold. */
  write(node: Node): ConsulService;
}

/** The layouts that go by a name. */
export type ConsulLayoutName = 'rxfleet' | 'flare';

/** Facts that have a key of their own; every other key of Meta is metadata. */
const facts = ['name', 'version', 'namespace', 'zone', 'region'] as const;
const reserved = new Set<string>([...facts, 'weight', 'addresses', 'draining']);

/** Ours: facts and metadata in Meta, labels as tags `key=value` or `key`. */
const rxfleet: ConsulLayout = {
  name: 'rxfleet',
  read({ Service: { Tags, Meta } }) {
    const metadata: Record<string, string> = {};
    for (const key in Meta) if (!reserved.has(key)) metadata[key] = Meta[key]!;
    const init = given(Meta, labelsOf(Tags, ''), metadata);
    if (Meta.addresses) init.addresses = Meta.addresses.split(',');
    return init;
  },
  write(node) {
    const Meta: Record<string, string> = {};
    for (const [key, value] of Object.entries(node.metadata)) {
      if (reserved.has(key)) throw refused(node, `metadata "${key}" has a field of its own`);
      Meta[key] = value;
    }
    for (const fact of facts) if (node[fact] !== undefined) Meta[fact] = node[fact];
    if (node.name === node.id) delete Meta.name;
    const whole = Math.min(65_535, Math.max(1, Math.round(node.weight)));
    // Consul's weights are whole numbers from 1.
    if (whole !== node.weight) Meta.weight = String(node.weight);
    if (node.addresses.length > 1) Meta.addresses = node.addresses.map(formatAddress).join(',');
    if (node.availability === 'draining') Meta.draining = 'true';
    for (const [key, value] of Object.entries(Meta)) {
      if (!/^[\w-]{1,128}$/.test(key))
        throw refused(node, `metadata "${key}" is no key for Consul's Meta: letters, digits, _ and -`);
      if (value.length > 512)
        throw refused(node, `metadata "${key}" is longer than the 512 characters of Consul's Meta`);
    }
    if (Object.keys(Meta).length > 64) throw refused(node, "its metadata has more than the 64 keys of Consul's Meta");
    return { ...serviceOf(node, labels(node)), Meta, Weights: { Passing: whole, Warning: whole } };
  },
};

/** flare's: everything in tags `key=value`, among them version and namespace; no Meta, no Weights. */
const flare: ConsulLayout = {
  name: 'flare',
  read({ Service: { Tags } }) {
    const tags = labelsOf(Tags, 'true');
    return given(tags, tags);
  },
  write(node) {
    if (!isIPv4(node.address.host)) {
      throw refused(
        node,
        `its address ${formatAddress(node.address)} must be an IPv4 address and port: flare drops the whole service for any other`,
      );
    }
    const { zone, region, version, namespace, weight } = node;
    const all: Record<string, string> = { ...node.tags, ...node.metadata };
    if (node.availability === 'draining') all.draining = 'true';
    if (weight !== 1) all.weight = String(weight);
    for (const [key, value] of Object.entries({ zone, region, version, namespace })) {
      if (value !== undefined) all[key] = value;
    }
    const Tags = Object.entries(all).map(([key, value]) => `${key}=${value || 'true'}`);
    return serviceOf(node, Tags);
  },
};

const byName: Readonly<Record<ConsulLayoutName, ConsulLayout>> = { rxfleet, flare };

/**
 * A layout by its name, or the one given.
 *
 * @throws FleetError `INVALID_OPTION` for a name that is none.
 */
export function layoutOf(layout: ConsulLayoutName | ConsulLayout): ConsulLayout {
  if (typeof layout === 'object') return layout;
  const known = Object.hasOwn(byName, layout) ? byName[layout] : undefined;
  if (known) return known;
  const names = Object.keys(byName).join(', ');
  throw new FleetError('INVALID_OPTION', `layout must be one of ${names}, or a ConsulLayout, not ${String(layout)}`);
}

// Plain loops: of 10,000 instances each is read anew with every answer.
function given(from: Readonly<Record<string, string>>, tags: NodeInit['tags'], metadata?: NodeInit['metadata']) {
  const init: { -readonly [K in keyof NodeInit]?: NodeInit[K] } = {};
  if (tags) init.tags = tags;
  if (metadata) init.metadata = metadata;
  for (const fact of facts) if (from[fact]) init[fact] = from[fact];
  const weight = from.weight?.trim() ? Number(from.weight) : NaN;
  if (weight >= 0 && Number.isFinite(weight)) init.weight = weight;
  if (from.draining === 'true') init.availability = 'draining';
  return init;
}

function labelsOf(Tags: readonly string[], bare: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const tag of Tags) {
    const at = tag.indexOf('=');
    if (at < 1) labels[tag] = bare;
    else labels[tag.slice(0, at)] = tag.slice(at + 1);
  }
  return labels;
}

function labels({ tags }: Node): string[] {
  return Object.entries(tags).map(([key, value]) => (value === '' ? key : `${key}=${value}`));
}

function serviceOf(node: Node, Tags: readonly string[]): ConsulService {
  const { host, port } = node.address;
  return { ID: node.id, Name: node.service, Tags, Address: host, Port: port };
}

function refused(node: Node, why: string): FleetError {
  return new FleetError('INVALID_OPTION', `node "${node.id}" cannot be registered in consul: ${why}`);
}
