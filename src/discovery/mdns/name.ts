/**
 * DNS names as text: labels joined by dots, with a dot or a backslash inside a label escaped by a backslash, so that
 * an instance called `node 1.5` stays one label.
 */

/** Longest label and longest name, in bytes on the wire (RFC 1035, 2.3.4). */
const maxLabelBytes = 63;
const maxNameBytes = 255;

/** A label as it stands in a name. */
export function escapeLabel(label: string): string {
  return label.replace(/[.\\]/g, '\\$&');
}

/** The labels of a name, without escapes. */
export function labelsOf(name: string): readonly string[] {
  const labels: string[] = [];
  for (const [part] of name.matchAll(/(?:[^.\\]|\\.)+/gs)) labels.push(part.replace(/\\(.)/gs, '$1'));
  return labels;
}

/** True when the name can be put on the wire. */
export function isName(name: string): boolean {
  const labels = labelsOf(name);
  let bytes = 1;
  for (const label of labels) {
    const length = Buffer.byteLength(label);
    if (length === 0 || length > maxLabelBytes) return false;
    bytes += length + 1;
  }
  return labels.length > 0 && bytes <= maxNameBytes;
}

/** What two names that mean the same have in common: DNS compares without regard to case. */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

/** `_lumen._tcp.local` for `lumen` or `_lumen._tcp`; undefined when it can be no DNS name. */
export function serviceType(service: string, domain: string): string | undefined {
  const type = /^_[^.]+\._(tcp|udp)$/i.test(service) ? service : `_${service}._tcp`;
  const name = `${type}.${domain}`;
  return service && !/[\\\s]/.test(name) && labelsOf(type).length === 2 && isName(name) ? name : undefined;
}

/** The name of one instance of a service type. */
export function instanceName(instance: string, type: string): string {
  return `${escapeLabel(instance)}.${type}`;
}

/** The instance that a name of this service type means, unescaped; undefined when it is none of it. */
export function instanceOf(name: string, type: string): string | undefined {
  if (!nameKey(name).endsWith(`.${nameKey(type)}`)) return undefined;
  const labels = labelsOf(name.slice(0, -type.length - 1));
  return labels.length === 1 ? labels[0] : undefined;
}

/**
 * The text form of a name that was read with its labels joined and nothing escaped. What stands before a service
 * type is one label, as DNS-SD has it (RFC 6763, 4.1.1), dots or not.
 */
export function fromJoined(joined: string): string {
  const match = /^(.+)\.(_[^.]+\._(?:tcp|udp)\..+)$/is.exec(joined);
  if (match && !/\._sub$/i.test(match[1]!)) return `${escapeLabel(match[1]!)}.${match[2]!}`;
  return joined.replaceAll('\\', '\\\\');
}

/** A name from the network, for a message: short, and without control characters. */
export function clip(text: string): string {
  return text.replace(/\p{C}/gu, '\uFFFD').slice(0, 100);
}
