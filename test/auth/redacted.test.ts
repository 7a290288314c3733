import { inspect } from 'node:util';
import { redacted, withoutSecrets } from '../../src/auth/redacted.js';
import { FleetError } from '../../src/core/fleetError.js';

describe('redacted', () => {
  it('takes a secret out in each form in which it is sent', () => {
    const secret = 'pä ss/w+rd';
    const text = `${secret} ${encodeURIComponent(secret)} ${Buffer.from(secret).toString('base64')}`;
    expect(redacted(text, [secret])).toBe('*** *** ***');
  });

  it('leaves a text alone where there is no secret', () => {
    expect(redacted('nothing here', ['', 'secret'])).toBe('nothing here');
  });

  it('drops the cause of an error, which may hold anything', () => {
    const error = new FleetError('UNAUTHENTICATED', 'refused secret', { cause: { password: 'secret' } });
    const shown = withoutSecrets(error, ['secret']);
    expect([shown.code, shown.message]).toEqual(['UNAUTHENTICATED', 'refused ***']);
    expect(inspect(shown, { depth: Infinity, showHidden: true })).not.toContain('secret:');
    expect(shown.cause).toBeUndefined();
  });
});
