import fc from 'fast-check';
import { pushPath } from '../../../src/metrics/prometheus/pushPath.js';

/** How a Pushgateway reads a path, by its README. */
function read(path: string): Record<string, string> {
  const parts = new URL(path, 'http://x').pathname.split('/').slice(2);
  const found: Record<string, string> = {};
  for (let i = 0; i < parts.length; i += 2) {
    const [name, base64] = parts[i]!.split('@');
    const text = decodeURIComponent(parts[i + 1]!);
    found[name!] = base64 ? Buffer.from(text.replace(/=+$/, ''), 'base64url').toString() : text;
  }
  return found;
}

describe('pushPath', () => {
  it('stays readable where it can: the path of fyer-rpc, and the process behind it', () => {
    expect(pushPath('fyerrpc', { instance: 'host-1:17' })).toBe('/metrics/job/fyerrpc/instance/host-1%3A17');
  });

  it('encodes what would be taken for a part of the path, as the README of the Pushgateway has it', () => {
    expect(pushPath('directory_cleaner', { path: '/var/tmp' })).toBe(
      '/metrics/job/directory_cleaner/path@base64/L3Zhci90bXA',
    );
    expect(pushPath('example', { first_label: '', second_label: 'foobar' })).toBe(
      '/metrics/job/example/first_label@base64/=/second_label/foobar',
    );
    expect(pushPath('titan', { name: 'Προμηθεύς' })).toBe('/metrics/job/titan/name@base64/zqDPgc6_zrzOt864zrXPjc-C');
    expect(pushPath('a/b', {})).toBe('/metrics/job@base64/YS9i');
  });

  it('is read again as what was meant, whatever the labels', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('', '.', '..', '/', '%2F', 'a b', '='),
    );
    fc.assert(
      fc.property(text.filter(Boolean), text, text, (job, one, two) => {
        expect(read(pushPath(job, { one, two }))).toEqual({ job, one, two });
      }),
    );
  });
});
