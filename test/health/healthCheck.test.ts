import { FleetError } from '../../src/core/fleetError.js';
import { failedVerdict } from '../../src/health/healthCheck.js';

describe('failedVerdict', () => {
  it('is bad, not sure, and says the code and the reason', () => {
    expect(failedVerdict(new FleetError('UNAVAILABLE', 'connection refused'))).toEqual({
      serving: false,
      reason: 'UNAVAILABLE: connection refused',
    });
    expect(failedVerdict(new TypeError('x is undefined')).reason).toBe('UNKNOWN: x is undefined');
  });
});
