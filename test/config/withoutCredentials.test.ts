/** What people see of URLs. */

import fc from 'fast-check';
import { withoutCredentials } from '../../src/config/withoutCredentials.js';

describe('withoutCredentials', () => {
  it.each([
    ['etcd://h:1/x?layout=flare', 'etcd://h:1/x?layout=flare'],
    ['etcd://me:pw@h:1/x', 'etcd://***@h:1/x'],
    ['etcd://me:p@w/@h:1/x', 'etcd://***@h:1/x'],
    ['consul://h:1/x?token=pw&mode=stale', 'consul://h:1/x?token=***&mode=stale'],
    ['aio://h:1/x?env=a&client_secret=pw', 'aio://h:1/x?env=a&client_secret=***'],
    ['broker://h:1?headers.authorization=pw', 'broker://h:1?headers.authorization=***'],
    ['h:1,h:2', 'h:1,h:2'],
  ])('%s is shown as %s', (url, shown) => expect(withoutCredentials(url)).toBe(shown));

  it('shows no password, whatever is in it', () => {
    const password = fc.string({ minLength: 1 }).filter((text) => !/\s/.test(text));
    fc.assert(
      fc.property(password, (text) => withoutCredentials(`etcd://me:${text}@h:1/x`) === 'etcd://***@h:1/x'),
      { seed: 11 },
    );
  });
});
