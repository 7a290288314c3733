/** May this node get our calls? The compatibility rules of the Lumen protocol, as a pure function of its capabilities. */

import type { Capability } from '../core/capability.js';
import type { NodeState } from '../core/node.js';

/** The major protocol version that this client speaks. */
export const protocolMajor = 1;

const versionPattern = /^([0-9]+)(\.[0-9]+)*(-[0-9A-Za-z.-]+)?$/;

export interface CompatibilityOptions {
  /**
   * Take nodes that name no protocol version, as those of before protocol versions and the Python hub do.
   * Default true; the newest Go client behaves like `false`.
   */
  readonly legacyNodes?: boolean;
}

/**
 * Compatible when there is at least one capability, and each names a protocol version of major 1: digits and dots,
 * with or without a leading `v`, with or without a `-suffix`. Anything else is incompatible, with the reason.
 */
export function judgeCompatibility(
  capabilities: readonly Capability[],
  options: CompatibilityOptions = {},
): Pick<NodeState, 'compatibility' | 'compatibilityReason'> {
  const { legacyNodes = true } = options;
  if (capabilities.length === 0) return incompatible('it names no capability');
  for (const { service, protocolVersion } of capabilities) {
    const of = service ? ` (service ${service})` : '';
    if (protocolVersion === '') {
      if (legacyNodes) continue;
      return incompatible(`it names no protocol version${of}, and legacyNodes is off`);
    }
    const match = versionPattern.exec(protocolVersion.replace(/^v/i, ''));
    if (!match) return incompatible(`protocol version "${protocolVersion}"${of} is no version`);
    if (Number(match[1]) !== protocolMajor) {
      return incompatible(`protocol version ${protocolVersion}${of} is not of major ${protocolMajor}`);
    }
  }
  return { compatibility: 'compatible', compatibilityReason: undefined };
}

function incompatible(reason: string): Pick<NodeState, 'compatibility' | 'compatibilityReason'> {
  return { compatibility: 'incompatible', compatibilityReason: reason };
}
