import { prefersOpenMetrics } from '../../../src/metrics/prometheus/prefersOpenMetrics.js';

describe('prefersOpenMetrics', () => {
  it.each([
    ['nothing is asked for', undefined, false],
    ['anything will do', '*/*', false],
    ['a browser', 'text/html,application/xhtml+xml,*/*;q=0.8', false],
    [
      'Prometheus 2.42',
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      true,
    ],
    ['any version', 'application/openmetrics-text', true],
    ['only a version before the first', 'application/openmetrics-text;version=0.0.1', false],
    ['rather the older format', 'application/openmetrics-text;q=0.3, text/plain;q=0.8', false],
    ['both alike', 'text/plain, Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8', true],
    ['refused', 'application/openmetrics-text;q=0', false],
    ['nonsense', ';;q=,,;', false],
  ])('%s: %s', (_, accept, expected) => {
    expect(prefersOpenMetrics(accept)).toBe(expected);
  });
});
