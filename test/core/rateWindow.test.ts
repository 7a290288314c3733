import fc from 'fast-check';
import { RateWindow } from '../../src/core/rateWindow.js';

describe('RateWindow', () => {
  it('is the count through the time, while there is less than a window of it', () => {
    const window = new RateWindow(0);
    for (let at = 0; at < 5_000; at += 100) window.count(at);
    expect(window.perSecond(5_000)).toBeCloseTo(10, 5);
  });

  it('forgets what is older than the window', () => {
    const window = new RateWindow(0);
    for (let at = 0; at < 10_000; at += 10) window.count(at);
    expect(window.perSecond(10_000)).toBeGreaterThan(90);
    expect(window.perSecond(30_000)).toBe(0);
    window.count(30_500);
    expect(window.perSecond(31_000)).toBeCloseTo(0.1, 1);
  });

  it('holds a steady rate within a slot of it, whenever it is asked', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 60_000 }), (gapMs, askedAt) => {
        const window = new RateWindow(0);
        for (let at = 0; at <= askedAt; at += gapMs) window.count(at);
        const lived = Math.max(1_000, askedAt);
        const truth = askedAt < 1_000 ? Math.floor(askedAt / gapMs + 1) : 1_000 / gapMs;
        expect(window.perSecond(askedAt)).toBeGreaterThan(truth * 0.85 - 1);
        expect(window.perSecond(askedAt)).toBeLessThan(truth * 1.15 + 1_000 / lived + 1);
      }),
    );
  });

  it('counts nothing before the first second as a whole second', () => {
    const window = new RateWindow(0);
    window.count(1);
    expect(window.perSecond(2)).toBe(1);
  });

  it('keeps what it has when the clock goes back', () => {
    const window = new RateWindow(10_000);
    for (let i = 0; i < 5; i++) window.count(12_000);
    window.count(11_000);
    expect(window.perSecond(13_000)).toBeCloseTo(2, 5);
  });
});
