import { FleetError } from '../../src/core/fleetError.js';
import { answerError, statusError } from '../../src/lumen/answerError.js';

describe('statusError', () => {
  it.each(['Model not initialized', 'the model is not loaded yet', 'Service not ready'])(
    'takes FAILED_PRECONDITION "%s" for a node that is still starting, so that another can serve',
    (message) => {
      const error = statusError(new FleetError('FAILED_PRECONDITION', message, { node: 'n' }));
      expect(error).toMatchObject({ code: 'UNAVAILABLE', node: 'n' });
      expect(error.message).toContain(message);
    },
  );

  it('leaves every other error as it is', () => {
    const other = new FleetError('FAILED_PRECONDITION', 'the index is locked');
    expect(statusError(other)).toBe(other);
    expect(statusError(new Error('x'))).toMatchObject({ code: 'UNKNOWN', detail: 'x' });
  });
});

it('answerError always has words, also for an error without any', () => {
  expect(answerError({ code: 4, message: '', detail: '' } as never, 'n').message).toBe(
    'the node answered with an error and no message',
  );
});
