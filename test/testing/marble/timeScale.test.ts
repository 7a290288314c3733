/** Where moments stand: to scale while waits are short, never too wide, always in their order. */

import fc from 'fast-check';
import { momentLabel, timeScale } from '../../../src/testing/marble/picture/timeScale.js';

const moments = fc.array(fc.nat({ max: 1_000_000 }), { minLength: 1, maxLength: 60 });

describe('the scale of time', () => {
  it('keeps the order of moments, and no two on one another', () => {
    fc.assert(
      fc.property(moments, fc.integer({ min: 100, max: 900 }), (given, room) => {
        const { x, end, width } = timeScale(given, room);
        const places = [...new Set([0, ...given])].sort((a, b) => a - b).map(x);
        for (let i = 1; i < places.length; i++) expect(places[i]! - places[i - 1]!).toBeGreaterThan(10);
        expect(x(end)).toBeLessThan(width);
      }),
    );
  });

  it('never grows past its limit, however much happens', () => {
    const { width, x } = timeScale(
      Array.from({ length: 5_000 }, (_, at) => at),
      500,
    );
    expect(width).toBeCloseTo(2_400);
    expect(x(4_999)).toBeGreaterThan(x(4_998));
  });

  it('breaks a long wait, and draws a short one to scale', () => {
    const { breaks, x, unit } = timeScale([0, 8, 1_008], 500);
    expect(x(8)).toBeCloseTo(8 * unit);
    expect(breaks).toEqual([(x(8) + x(1_008)) / 2]);
    expect(x(1_008) - x(8)).toBeLessThan(3 * unit);
  });

  it('labels each moment that has room, first of all those behind a break', () => {
    const labels = timeScale([0, 2, 20_003, 20_004], 100).ticks.map(({ label }) => label);
    expect(labels).toEqual(['0', '1', '2', '20.003 s', '']);
  });

  it('says long times in seconds and minutes', () => {
    expect([0, 996, 1_000, 1_500, 20_003, 60_000, 90_000, 540_000_000].map(momentLabel)).toEqual([
      ...['0', '996', '1 s', '1.5 s', '20.003 s', '1 min', '90 s', '9000 min'],
    ]);
  });

  it('begins before the first moment where something was said before it', () => {
    const { x, ticks } = timeScale([-2, 1], 500);
    expect(x(-2)).toBe(0);
    expect(ticks.map(({ label }) => label)).toEqual(['-2', '-1', '0', '1']);
  });
});
