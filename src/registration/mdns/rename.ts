/** The next name to try when the one that was wanted is taken. */

const maxBytes = 63;

/** `Hub` becomes `Hub (2)`, that `Hub (3)` (RFC 6763, appendix D); a long name is cut to stay within 63 bytes. */
export function rename(name: string): string {
  const match = /^(.*) \((\d{1,6})\)$/su.exec(name);
  const suffix = ` (${match ? Number(match[2]) + 1 : 2})`;
  let base = match ? match[1]! : name;
  while (Buffer.byteLength(base + suffix) > maxBytes) base = [...base].slice(0, -1).join('');
  return base + suffix;
}
