import { firstValueFrom } from 'rxjs';
import { inspect } from 'node:util';
import { createCredentials } from '../../src/auth/createCredentials.js';
import { staticCredential } from '../../src/auth/staticCredential.js';

describe('staticCredential', () => {
  it('gives the same for ever, and hides it when printed', async () => {
    using credentials = createCredentials(staticCredential('hunter2hunter2'));
    const credential = await firstValueFrom(credentials.valid());
    expect({ ...credential }).toEqual({ secret: 'hunter2hunter2', scheme: 'Bearer', expiresAt: Infinity });
    for (const shown of [
      inspect(credential),
      JSON.stringify(credential),
      inspect(credentials),
      inspect({ credential }),
    ]) {
      expect(shown).not.toContain('hunter2');
    }
    expect(inspect(credential)).toContain('***');
  });

  it('refuses an empty secret, which no node would take', () => {
    expect(() => staticCredential('')).toThrow('secret must be a text that is not empty');
  });
});
