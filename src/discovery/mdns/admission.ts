/** Which records of the network a search takes in, and what it says of the others. */

import { clip, instanceOf, isName, nameKey } from './name.js';
import type { MdnsRecord } from './packet.js';

export interface AdmissionOptions {
  /** Such as `_lumen._tcp.local`. */
  readonly type: string;
  /** Told, in a sentence, what was passed over and should not have been there. */
  readonly skipped: (message: string) => void;
  /** Whether the addresses of this host are worth a place. */
  readonly hostWanted: (host: string) => boolean;
}

/** Other services are told of once each, up to this many. */
const maxForeign = 100;

/** A filter that lets through what is about instances of `type`, and the addresses of hosts. */
export function createAdmission({ type, skipped, hostWanted }: AdmissionOptions): (record: MdnsRecord) => boolean {
  const foreign = new Set<string>();

  const reportForeign = (name: string): void => {
    const key = nameKey(name);
    const service = /^(?:.*\.)?(_[^.]+\._(?:tcp|udp)\..*)$/s.exec(key)?.[1];
    if (!service || service.startsWith('_dns-sd.') || foreign.has(service) || foreign.size >= maxForeign) return;
    foreign.add(service);
    skipped(`${clip(service)} is another service`);
  };

  return (record) => {
    switch (record.type) {
      case 'PTR':
        if (nameKey(record.name) !== nameKey(type)) break;
        if (instanceOf(record.target, type) !== undefined && isName(record.target)) return true;
        skipped(`"${clip(record.target)}" is no instance of ${type}`);
        return false;
      case 'SRV':
        if (instanceOf(record.name, type) === undefined) break;
        if (record.port > 0 && isName(record.target)) return true;
        skipped(`instance "${clip(record.name)}": ${clip(record.target)}:${record.port} is no address`);
        return false;
      case 'TXT':
        if (instanceOf(record.name, type) === undefined) break;
        return true;
      default:
        return hostWanted(record.name);
    }
    reportForeign(record.name);
    return false;
  };
}
