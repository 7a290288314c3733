/** How settings are read, whoever wrote them. */

import fc from 'fast-check';
import { choice, duration, labels, texts, whole, yesNo } from '../../src/config/setting.js';

const read = (setting: { read: (value: unknown, path: string) => unknown }) => (value: unknown) =>
  setting.read(value, 'x');

describe('a time', () => {
  it.each<[unknown, number | undefined]>([
    [30, 30_000],
    [0.5, 500],
    ['30', 30_000],
    ['30s', 30_000],
    ['500ms', 500],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    [' 5 s ', 5_000],
    [0, undefined],
    [-1, undefined],
    ['-5s', undefined],
    ['0ms', undefined],
    ['5 minutes', undefined],
    ['5d', undefined],
    ['1000h', undefined],
    ['', undefined],
    [NaN, undefined],
    [Infinity, undefined],
    [true, undefined],
    [null, undefined],
  ])('%j is %j ms', (written, ms) => expect(read(duration())(written)).toBe(ms));

  it('is read back as it is shown', () => {
    const setting = duration();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fff_ffff }), (ms) => setting.read(setting.show(ms), 'x') === ms),
      { seed: 7 },
    );
  });
});

describe('other kinds', () => {
  it('read text as environment variables give it', () => {
    expect(read(yesNo())('true')).toBe(true);
    expect(read(yesNo())('yes')).toBeUndefined();
    expect(read(whole(1, 5)())('3')).toBe(3);
    expect(read(whole(1, 5)())(6)).toBeUndefined();
    expect(read(whole(0, 5)())('')).toBeUndefined();
    expect(read(texts())('a, b')).toEqual(['a', 'b']);
    expect(read(texts())('a,,b')).toBeUndefined();
    expect(read(labels())({ a: 'b' })).toEqual({ a: 'b' });
    expect(read(labels())({ a: 1 })).toBeUndefined();
  });

  it('take a name however its words are joined, and by its other names', () => {
    const strategy = choice({ least_connections: ['least_conn'] })();
    for (const name of ['least_connections', 'leastConnections', 'LEAST-CONN']) {
      expect(read(strategy)(name)).toBe('least_connections');
    }
    expect(read(strategy)('toString')).toBeUndefined();
  });
});
