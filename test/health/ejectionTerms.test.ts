import { activeHealth } from '../../src/health/activeHealth.js';
import { consecutiveFailures, type ConsecutiveFailuresOptions } from '../../src/health/consecutiveFailures.js';
import { ejectionTimeMs, judgementOn, resolveTerms } from '../../src/health/ejectionTerms.js';
import { outlierDetection } from '../../src/health/outlierDetection.js';
import type { OutlierDetectionOptions } from '../../src/health/outlierDetection/outlierRules.js';
import { tcpHealth } from '../../src/health/tcpHealth.js';

const refused = (make: () => unknown, field: string) => {
  expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  // The field itself, and not one whose name only begins alike.
  expect(make).toThrow(new RegExp(`(^| )${field.replaceAll('.', '\\.')} must be `));
};

describe('the terms of an ejection', () => {
  it('grow with each time in a row, up to the longest', () => {
    const terms = resolveTerms('x', {});
    expect([1, 2, 3, 9, 10, 11, 1_000].map((times) => ejectionTimeMs(terms, times))).toEqual([
      30_000, 60_000, 90_000, 270_000, 300_000, 300_000, 300_000,
    ]);
  });

  it('never fall below the base, as in gRFC A50: max(base, max)', () => {
    const terms = resolveTerms('x', { baseEjectionTimeMs: 500_000 });
    expect([1, 2].map((times) => ejectionTimeMs(terms, times))).toEqual([500_000, 500_000]);
  });

  it('a node that is found is spared by the budget before chance is asked, and by chance in the share that is wanted', () => {
    const found = { id: 'x', method: 'm', reason: 'r' };
    const judge = (may: boolean, chance: number, percentage: number) => {
      const finding = judgementOn(found, percentage, { mayEject: () => may, random: () => chance }, () => ({
        until: 7,
      }));
      return finding.type === 'spared' ? finding.unenforcedReason : finding.type;
    };
    expect(judge(false, 0.999, 0)).toBe('max_ejection_overflow');
    expect(judge(true, 0.999, 100)).toBe('eject');
    expect(judge(true, 0, 0)).toBe('enforcement_percentage');
    expect(judge(true, 0.299, 30)).toBe('eject');
    expect(judge(true, 0.3, 30)).toBe('enforcement_percentage');
  });
});

describe('senseless options are refused by name', () => {
  it.each([NaN, Infinity, 2 ** 31, -1])('activeHealth: times of %d ms, which a timer cannot wait for', (ms) => {
    for (const field of ['intervalMs', 'timeoutMs', 'initialJitterMs']) {
      refused(() => activeHealth(tcpHealth() as never, { [field]: ms }), field);
    }
  });

  const outlier: [OutlierDetectionOptions, string][] = [
    ...[0, -1, NaN, Infinity, 2 ** 31].flatMap((ms): [OutlierDetectionOptions, string][] => [
      [{ intervalMs: ms }, 'outlierDetection.intervalMs'],
      [{ baseEjectionTimeMs: ms }, 'outlierDetection.baseEjectionTimeMs'],
      [{ maxEjectionTimeMs: ms }, 'outlierDetection.maxEjectionTimeMs'],
    ]),
    ...[-1, 101, NaN].flatMap((percent): [OutlierDetectionOptions, string][] => [
      [{ successRate: { enforcementPercentage: percent } }, 'outlierDetection.successRate.enforcementPercentage'],
      [{ failurePercentage: { threshold: percent } }, 'outlierDetection.failurePercentage.threshold'],
      [
        { failurePercentage: { enforcementPercentage: percent } },
        'outlierDetection.failurePercentage.enforcementPercentage',
      ],
    ]),
    ...[0, 1.5, NaN, Infinity].flatMap((count): [OutlierDetectionOptions, string][] => [
      [{ successRate: { minimumHosts: count } }, 'outlierDetection.successRate.minimumHosts'],
      [{ successRate: { requestVolume: count } }, 'outlierDetection.successRate.requestVolume'],
      [{ failurePercentage: { minimumHosts: count } }, 'outlierDetection.failurePercentage.minimumHosts'],
      [{ failurePercentage: { requestVolume: count } }, 'outlierDetection.failurePercentage.requestVolume'],
    ]),
    [{ successRate: { stdevFactor: -1 } }, 'outlierDetection.successRate.stdevFactor'],
    [{ successRate: { stdevFactor: NaN } }, 'outlierDetection.successRate.stdevFactor'],
    [{ successRate: false, failurePercentage: false }, 'outlierDetection'],
  ];
  it.each(outlier)('outlierDetection(%j)', (options, field) => refused(() => outlierDetection(options), field));

  const consecutive: [ConsecutiveFailuresOptions, string][] = [
    ...[0, -1, 2.5, NaN, Infinity].map((failures): [ConsecutiveFailuresOptions, string] => [
      { failures },
      'consecutiveFailures.failures',
    ]),
    ...[0, NaN, Infinity, 2 ** 31].flatMap((ms): [ConsecutiveFailuresOptions, string][] => [
      [{ intervalMs: ms }, 'consecutiveFailures.intervalMs'],
      [{ baseEjectionTimeMs: ms }, 'consecutiveFailures.baseEjectionTimeMs'],
      [{ maxEjectionTimeMs: ms }, 'consecutiveFailures.maxEjectionTimeMs'],
    ]),
    ...[-1, NaN, Infinity].map((jitterMs): [ConsecutiveFailuresOptions, string] => [
      { jitterMs },
      'consecutiveFailures.jitterMs',
    ]),
    [{ enforcementPercentage: 101 }, 'consecutiveFailures.enforcementPercentage'],
    [{ enforcementPercentage: NaN }, 'consecutiveFailures.enforcementPercentage'],
  ];
  it.each(consecutive)('consecutiveFailures(%j)', (options, field) =>
    refused(() => consecutiveFailures(options), field),
  );
});
