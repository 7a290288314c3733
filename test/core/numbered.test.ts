import { numbered } from '../../src/core/numbered.js';

describe('names', () => {
  it('that are the same are told apart, so that none undoes what another did', () => {
    expect(numbered([])).toEqual([]);
    expect(numbered(['a', 'b', 'a', 'a', 'b'])).toEqual(['a', 'b', 'a 2', 'a 3', 'b 2']);
  });
});
