/** Balancers that calls bring, beside the one of their client. */

import { EMPTY, firstValueFrom, map } from 'rxjs';
import { createPool, pickerOf, type Balancer } from '../../src/index.js';

describe('a balancer that a call brings', () => {
  const fragile: Balancer = map((set) => {
    if (set.size > 1) throw new Error('two are too many');
    return pickerOf(set, ([first]) => first);
  });

  it('that fails over one set of nodes fails its calls meanwhile, and picks again from the next', async () => {
    await using pool = createPool({ members: [{ id: 'a' }], open: ({ id }) => id });
    const used = () => firstValueFrom(pool.use((resource) => [resource], { balancer: fragile }));
    expect(await used()).toBe('a');
    pool.add({ id: 'b' });
    await expect(used()).rejects.toMatchObject({ detail: 'two are too many' });
    await expect(used()).rejects.toMatchObject({ detail: 'two are too many' });
    expect(await firstValueFrom(pool.use((resource) => [resource]))).toMatch(/a|b/);
    pool.remove('a');
    expect(await used()).toBe('b');
  });

  it('that yields nothing is refused by name', async () => {
    await using pool = createPool({ members: [{ id: 'a' }], open: ({ id }) => id });
    const used = firstValueFrom(pool.use((resource) => [resource], { balancer: () => EMPTY }));
    await expect(used).rejects.toMatchObject({ code: 'INVALID_OPTION', detail: expect.stringContaining('must yield') });
  });
});
