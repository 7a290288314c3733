import { firstValueFrom, of, throwError } from 'rxjs';
import { anyCredential, type Granted } from '../../src/auth/anyCredential.js';
import { createCredentials } from '../../src/auth/createCredentials.js';
import type { FleetError } from '../../src/core/fleetError.js';

describe('anyCredential', () => {
  const grant = { secret: 's', scheme: 'Token', expiresInMs: 60_000 };

  it.each([
    ['a text', () => 's' as Granted, { secret: 's', scheme: 'Bearer', expiresAt: Infinity }],
    ['a promise of one', () => Promise.resolve('s'), { secret: 's', scheme: 'Bearer' }],
    ['a grant', () => grant, { secret: 's', scheme: 'Token' }],
    ['a promise of one', () => Promise.resolve(grant), { secret: 's', scheme: 'Token' }],
    ['an Observable', () => of(grant), { secret: 's', scheme: 'Token' }],
  ])('takes %s', async (_, get, expected) => {
    using credentials = createCredentials(anyCredential(get));
    expect(await firstValueFrom(credentials.valid())).toMatchObject(expected);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('vault is sealed');
      },
    ],
    ['rejects', () => Promise.reject(new Error('vault is sealed'))],
    ['errors', () => throwError(() => new Error('vault is sealed'))],
  ])('a function that %s is a failure that may pass, and is named', async (_, get) => {
    using credentials = createCredentials(anyCredential(get as never, { name: 'vault' }));
    const error = await firstValueFrom(credentials.valid()).catch((thrown: FleetError) => thrown);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: 'vault gave no credential: vault is sealed' });
  });

  it('renews by its own way, and without one gets a new one from scratch', async () => {
    const { renew } = anyCredential(() => 'a', { renew: ({ secret }) => `${secret}+` });
    expect(await firstValueFrom(renew!({ secret: 'a', scheme: 'Bearer', expiresAt: 0 }))).toEqual({ secret: 'a+' });
    expect(anyCredential(() => 'a').renew).toBeUndefined();
  });
});
