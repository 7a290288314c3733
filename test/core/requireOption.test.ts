import { FleetError } from '../../src/core/fleetError.js';
import { requireOption } from '../../src/core/requireOption.js';

describe('requireOption', () => {
  it('says which option must be what, and what it was', () => {
    let error: unknown;
    try {
      requireOption(false, 'deadlineMs', 'at least 0', -5);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FleetError);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: 'deadlineMs must be at least 0, not -5' });
  });

  it('says nothing of a good one', () => {
    expect(() => requireOption(true, 'deadlineMs', 'at least 0', 5)).not.toThrow();
  });
});
