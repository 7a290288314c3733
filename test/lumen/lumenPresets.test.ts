import { resolveLumenOptions } from '../../src/lumen/lumenClientOptions.js';
import { lumenPresets } from '../../src/lumen/lumenPresets.js';

describe('lumenPresets', () => {
  it('all resolve, and fit what nodes take', () => {
    for (const preset of Object.keys(lumenPresets) as (keyof typeof lumenPresets)[]) {
      expect(() => resolveLumenOptions({ preset })).not.toThrow();
      expect(lumenPresets[preset].chunk.pieceBytes).toBeLessThan(4_194_304);
    }
  });
});
