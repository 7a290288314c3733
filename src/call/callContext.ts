/** Who calls and what for, as flare's services pass it on: the `x-…` headers of a request. */

import { FleetError } from '../core/fleetError.js';
import type { Metadata, MetadataValue } from '../core/metadata.js';

/** What the headers say. Each field is optional, and what is not there is not sent. */
export interface CallContextFields {
  /** `x-request-id` */
  readonly requestId?: string;
  /** `x-trace-id`; see `trace()` for ids that are made where they are missing. */
  readonly traceId?: string;
  /** `x-tenant-id` */
  readonly tenantId?: string;
  /** `x-user-id` */
  readonly userId?: string;
  /** `x-device-id` */
  readonly deviceId?: string;
  /** `x-platform`; `x-device-platform` is read as well. */
  readonly platform?: string;
  /** `x-session-id` */
  readonly sessionId?: string;
  readonly actor?: {
    /** `x-actor-id` */
    readonly id?: string;
    /** `x-actor-type`: a number from 0 to 5. */
    readonly type?: number;
    /** `x-actor-roles`, once a role. */
    readonly roles?: readonly string[];
    /** `x-actor-attr-<name>` */
    readonly attributes?: Readonly<Record<string, string>>;
  };
}

const headers = {
  requestId: 'x-request-id',
  traceId: 'x-trace-id',
  tenantId: 'x-tenant-id',
  userId: 'x-user-id',
  deviceId: 'x-device-id',
  platform: 'x-platform',
  sessionId: 'x-session-id',
} as const;
const attributePrefix = 'x-actor-attr-';

/**
 * The headers for the `metadata` of a call.
 *
 * ```ts
 * orders.list(request, { metadata: callContext({ tenantId: 'acme', userId: '42' }) });
 * ```
 *
 * @throws FleetError `INVALID_ARGUMENT` for a text that no header can carry, naming its header: it must be printable ASCII.
 */
export function callContext(fields: CallContextFields): Metadata {
  const metadata: Record<string, MetadataValue | MetadataValue[]> = {};
  for (const [field, header] of Object.entries(headers)) {
    const value = fields[field as keyof typeof headers];
    if (value !== undefined) metadata[header] = sendable(value, header);
  }
  const { id, type, roles, attributes } = fields.actor ?? {};
  if (id !== undefined) metadata['x-actor-id'] = sendable(id, 'x-actor-id');
  if (type !== undefined) {
    if (!(Number.isInteger(type) && type >= 0 && type <= 5)) {
      throw new FleetError('INVALID_ARGUMENT', `x-actor-type must be a whole number from 0 to 5, not ${type}`);
    }
    metadata['x-actor-type'] = String(type);
  }
  if (roles?.length) metadata['x-actor-roles'] = roles.map((role) => sendable(role, 'x-actor-roles'));
  for (const [name, value] of Object.entries(attributes ?? {})) {
    const header = `${attributePrefix}${name.toLowerCase()}`;
    if (!/^[0-9a-z_.-]+$/.test(header)) {
      throw new FleetError(
        'INVALID_ARGUMENT',
        `"${name}" is no name for a header: use letters, digits, "_", "." and "-"`,
      );
    }
    metadata[header] = sendable(value, header);
  }
  return metadata;
}

/** What headers say of their caller; what is not there is left out. */
export function readCallContext(metadata: Metadata): CallContextFields {
  const found: Record<string, unknown> = {};
  for (const [field, header] of Object.entries(headers)) {
    const [value] = textsOf(metadata[header]);
    if (value !== undefined) found[field] = value;
  }
  const [devicePlatform] = textsOf(metadata['x-device-platform']);
  if (devicePlatform !== undefined) found['platform'] ??= devicePlatform;
  const actor = actorOf(metadata);
  return { ...found, ...(Object.keys(actor).length > 0 ? { actor } : {}) };
}

function actorOf(metadata: Metadata): NonNullable<CallContextFields['actor']> {
  const [id] = textsOf(metadata['x-actor-id']);
  const [type] = textsOf(metadata['x-actor-type']);
  const roles = textsOf(metadata['x-actor-roles']);
  const attributes: Record<string, string> = {};
  for (const [header, value] of Object.entries(metadata)) {
    const [text] = textsOf(value);
    if (header.startsWith(attributePrefix) && text !== undefined)
      attributes[header.slice(attributePrefix.length)] = text;
  }
  return {
    ...(id === undefined ? {} : { id }),
    ...(type !== undefined && /^[0-5]$/.test(type) ? { type: Number(type) } : {}),
    ...(roles.length > 0 ? { roles } : {}),
    ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
  };
}

function textsOf(value: Metadata[string] | undefined): string[] {
  const values = Array.isArray(value) ? (value as readonly MetadataValue[]) : [value as MetadataValue | undefined];
  return values.filter((each) => typeof each === 'string');
}

/** flare drops what a header cannot carry, and nobody learns of it. */
function sendable(value: string, header: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  throw new FleetError('INVALID_ARGUMENT', `${header} must be printable ASCII: encode ${JSON.stringify(value)} first`);
}
