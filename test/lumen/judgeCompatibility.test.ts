import type { Capability } from '../../src/core/capability.js';
import { judgeCompatibility } from '../../src/lumen/judgeCompatibility.js';

const offers = (protocolVersion: string, service = 'ocr'): Capability => ({
  ...{ service, models: [], runtime: '', maxConcurrency: 1, precisions: [], extra: {}, tasks: [] },
  protocolVersion,
});

describe('judgeCompatibility', () => {
  it.each(['1', '1.0', 'v1', 'V1.2.3', '1.0-beta.1', '1.0.0-rc1'])('takes protocol version %s', (version) => {
    expect(judgeCompatibility([offers(version)])).toEqual({
      compatibility: 'compatible',
      compatibilityReason: undefined,
    });
  });

  it.each(['2.0', '0.9', '10.1', 'one', '1.', '1.x', 'vv1', '1 0', '-1'])('refuses protocol version %s', (version) => {
    const { compatibility, compatibilityReason: reason } = judgeCompatibility([offers(version)]);
    expect(compatibility).toBe('incompatible');
    expect(reason).toContain(version);
    expect(reason).toContain('ocr');
  });

  it('takes a node without a protocol version, unless legacyNodes is off', () => {
    expect(judgeCompatibility([offers('')]).compatibility).toBe('compatible');
    expect(judgeCompatibility([offers('')], { legacyNodes: false })).toEqual({
      compatibility: 'incompatible',
      compatibilityReason: 'it names no protocol version (service ocr), and legacyNodes is off',
    });
  });

  it('refuses a node of which one service is of another version', () => {
    expect(judgeCompatibility([offers('1.0', 'a'), offers('2.0', 'b')]).compatibilityReason).toContain('service b');
  });

  it('refuses a node without capabilities', () => {
    expect(judgeCompatibility([]).compatibility).toBe('incompatible');
  });
});
