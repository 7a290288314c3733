/** One instance as Consul's health endpoint tells it, checked before anybody trusts it. */

import { FleetError } from '../../core/fleetError.js';

/** What is read of an entry of `/v1/health/service`; Consul's own names. What it leaves out is empty here. */
export interface ConsulEntry {
  readonly Node: { readonly Node: string; readonly Address: string; readonly Datacenter: string };
  readonly Service: {
    readonly ID: string;
    readonly Service: string;
    readonly Tags: readonly string[];
    readonly Address: string;
    readonly Port: number;
    readonly Meta: Readonly<Record<string, string>>;
    readonly Weights: { readonly Passing: number; readonly Warning: number };
    readonly CreateIndex: number;
  };
  readonly Checks: readonly ConsulCheck[];
}

export interface ConsulCheck {
  readonly CheckID: string;
  /** `passing`, `warning`, `critical`; `maintenance` is a critical one with an id of its own. */
  readonly Status: string;
  readonly Output: string;
}

/**
 * Reads one entry.
 *
 * @throws FleetError `BAD_RESPONSE` naming the field that makes it no entry.
 */
export function consulEntry(value: unknown): ConsulEntry {
  const { Node: host, Service: service, Checks: checks } = record(value, 'entry');
  const node = record(host, 'Node');
  const { ID, Service, Tags, Address, Port, Meta, Weights, CreateIndex } = record(service, 'Service');
  const weights = Weights == null ? {} : record(Weights, 'Weights');
  return {
    Node: {
      Node: text(node.Node, 'Node.Node'),
      Address: text(node.Address ?? '', 'Node.Address'),
      Datacenter: text(node.Datacenter ?? '', 'Node.Datacenter'),
    },
    Service: {
      ID: text(ID, 'Service.ID'),
      Service: text(Service, 'Service.Service'),
      Tags: list(Tags, 'Service.Tags').map((tag) => text(tag, 'Service.Tags')),
      Address: text(Address ?? '', 'Service.Address'),
      Port: number(Port ?? 0, 'Service.Port'),
      Meta: texts(Meta, 'Service.Meta'),
      Weights: {
        Passing: number(weights.Passing ?? 1, 'Weights.Passing'),
        Warning: number(weights.Warning ?? 1, 'Weights.Warning'),
      },
      CreateIndex: number(CreateIndex ?? 0, 'Service.CreateIndex'),
    },
    Checks: list(checks, 'Checks').map((check) => {
      const { CheckID, Status, Output } = record(check, 'Checks');
      return {
        CheckID: text(CheckID, 'Checks.CheckID'),
        Status: text(Status, 'Checks.Status'),
        Output: text(Output ?? '', 'Checks.Output'),
      };
    }),
  };
}

function wrong(field: string, wanted: string): FleetError {
  return new FleetError('BAD_RESPONSE', `${field} is no ${wanted}`);
}

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field, 'object');
  return value as Record<string, unknown>;
}

function list(value: unknown, field: string): readonly unknown[] {
  if (value == null) return [];
  if (!Array.isArray(value)) throw wrong(field, 'list');
  return value;
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string') throw wrong(field, 'text');
  return value;
}

function texts(value: unknown, field: string): Readonly<Record<string, string>> {
  if (value == null) return {};
  const entries = Object.entries(record(value, field));
  return Object.fromEntries(entries.map(([key, each]) => [key, text(each, `${field}.${key}`)]));
}

function number(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(field, 'number');
  return value;
}
