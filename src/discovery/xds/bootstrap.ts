/** Where the control plane is and who we are to it: the bootstrap that gRPC's xDS clients read. */

import { readFileSync } from 'node:fs';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { parseAddress, type Address } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';

/** How to speak to a control plane. `files` are paths of PEM files. */
export type XdsCredentials =
  | { readonly type: 'insecure' }
  | {
      readonly type: 'tls';
      readonly files: { readonly ca?: string; readonly cert?: string; readonly key?: string };
    };

export interface XdsServer {
  readonly address: Address;
  /** The first of its `channel_creds` that is known here. */
  readonly credentials: XdsCredentials;
  /** gRFC A53: what is deleted is kept. */
  readonly ignoreResourceDeletion: boolean;
  /** gRFC A88: silence about a resource means trouble, not that it does not exist. */
  readonly timerIsTransientError: boolean;
}

export interface XdsAuthority {
  readonly listenerTemplate: string;
  /** Default: those of the bootstrap. */
  readonly servers: readonly XdsServer[] | undefined;
}

/** Who we are, as the bootstrap says it. */
export interface XdsNode {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: JsonObject | undefined;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string } | undefined;
}

export interface Bootstrap {
  /** In order of preference; at least one. */
  readonly servers: readonly XdsServer[];
  readonly node: XdsNode;
  /** With `%s` for the service. */
  readonly listenerTemplate: string;
  readonly authorities: ReadonlyMap<string, XdsAuthority>;
}

/**
 * Reads the bootstrap from a file, or from where gRPC looks for it: the file that `GRPC_XDS_BOOTSTRAP` names, else the
 * text in `GRPC_XDS_BOOTSTRAP_CONFIG`.
 *
 * @throws FleetError `INVALID_OPTION` when there is none, or it makes no sense.
 */
export function loadBootstrap(path?: string): Bootstrap {
  const { GRPC_XDS_BOOTSTRAP: file = '', GRPC_XDS_BOOTSTRAP_CONFIG: config = '' } = process.env;
  const from = path ?? file;
  if (from === '' && config === '') {
    throw new FleetError(
      'INVALID_OPTION',
      'xDS has no bootstrap: give the option bootstrap or server, or name a file in GRPC_XDS_BOOTSTRAP',
    );
  }
  const where = from === '' ? 'GRPC_XDS_BOOTSTRAP_CONFIG' : `the bootstrap ${from}`;
  return readBootstrap(parsed(from === '' ? config : textOf(from, where), where), where);
}

/**
 * Reads a bootstrap in the form of gRFC A27, A47, A53, A65 and A88. Fields that are not known are passed over.
 *
 * @param where What to call it in errors.
 * @throws FleetError `INVALID_OPTION` naming the field.
 */
export function readBootstrap(json: unknown, where = 'bootstrap'): Bootstrap {
  const root = objectAt(json, where);
  const servers = serversAt(root.xds_servers, `${where}: xds_servers`);
  const node = root.node === undefined ? {} : objectAt(root.node, `${where}: node`);
  const authorities = root.authorities === undefined ? {} : objectAt(root.authorities, `${where}: authorities`);
  return {
    servers,
    node: {
      id: textAt(node.id, `${where}: node.id`, ''),
      cluster: textAt(node.cluster, `${where}: node.cluster`, ''),
      metadata: node.metadata === undefined ? undefined : objectAt(node.metadata, `${where}: node.metadata`),
      locality: node.locality === undefined ? undefined : localityAt(node.locality, `${where}: node.locality`),
    },
    listenerTemplate: textAt(
      root.client_default_listener_resource_name_template,
      `${where}: client_default_listener_resource_name_template`,
      '%s',
    ),
    authorities: new Map(
      Object.entries(authorities).map(([name, value]) => [
        name,
        authorityAt(name, value, `${where}: authorities["${name}"]`),
      ]),
    ),
  };
}

function textOf(path: string, where: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw invalid(`${where} cannot be read: ${(cause as Error).message}`, cause);
  }
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // What the parser says would quote the text.
    throw invalid(`${where} is not JSON`, cause instanceof SyntaxError ? undefined : cause);
  }
}

function serversAt(value: JsonValue | undefined, where: string): XdsServer[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(`${where} must be a list of at least one server`);
  return value.map((each, index) => serverAt(each, `${where}[${index}]`));
}

function serverAt(value: JsonValue, where: string): XdsServer {
  const { server_uri, channel_creds = [], server_features = [] } = objectAt(value, where);
  const uri = textAt(server_uri, `${where}.server_uri`, '');
  if (!Array.isArray(channel_creds)) throw invalid(`${where}.channel_creds must be a list`);
  if (!Array.isArray(server_features)) throw invalid(`${where}.server_features must be a list`);
  return {
    address: serverAddress(uri, `${where}.server_uri`),
    credentials: credentialsAt(channel_creds, `${where}.channel_creds`),
    ignoreResourceDeletion: server_features.includes('ignore_resource_deletion'),
    timerIsTransientError: server_features.includes('resource_timer_is_transient_error'),
  };
}

/** `host:port`, also as `dns:host:port` or `dns:///host:port`. */
export function serverAddress(uri: string, where: string): Address {
  const text = uri.replace(/^(?:dns|passthrough|ipv4|ipv6):(?:\/\/[^/]*\/)?/, '');
  try {
    return parseAddress(text);
  } catch (cause) {
    throw invalid(`${where} must be host:port or dns:///host:port, not "${uri}"`, cause);
  }
}

function credentialsAt(list: readonly JsonValue[], where: string): XdsCredentials {
  for (const [index, each] of list.entries()) {
    const { type, config } = objectAt(each, `${where}[${index}]`);
    if (type === 'insecure') return { type };
    if (type === 'tls') {
      const files = config === undefined ? {} : objectAt(config, `${where}[${index}].config`);
      const file = (field: string) => textAt(files[field], `${where}[${index}].config.${field}`, '');
      const [ca, cert, key] = [file('ca_certificate_file'), file('certificate_file'), file('private_key_file')];
      return { type, files: { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) } };
    }
  }
  throw invalid(`${where} must have one of the type insecure or tls: no other is understood`);
}

function authorityAt(name: string, value: JsonValue, where: string): XdsAuthority {
  const { client_listener_resource_name_template: template, xds_servers: servers } = objectAt(value, where);
  const listenerTemplate = textAt(
    template,
    `${where}.client_listener_resource_name_template`,
    `xdstp://${name}/envoy.config.listener.v3.Listener/%s`,
  );
  const own = Array.isArray(servers) && servers.length > 0;
  return { listenerTemplate, servers: own ? serversAt(servers, `${where}.xds_servers`) : undefined };
}

function localityAt(value: JsonValue, where: string): NonNullable<XdsNode['locality']> {
  const { region, zone, sub_zone } = objectAt(value, where);
  return {
    region: textAt(region, `${where}.region`, ''),
    zone: textAt(zone, `${where}.zone`, ''),
    subZone: textAt(sub_zone, `${where}.sub_zone`, ''),
  };
}

function objectAt(value: unknown, where: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw invalid(`${where} must be an object`);
}

function textAt(value: JsonValue | undefined, where: string, fallback: string): string {
  if (value === undefined || value === null) return fallback;
  if (typeof value === 'string') return value;
  throw invalid(`${where} must be a text`);
}

function invalid(message: string, cause?: unknown): FleetError {
  return new FleetError('INVALID_OPTION', message, cause === undefined ? {} : { cause });
}
