/** Guesses at what was meant: close ones only. */

import { nearest } from '../../src/config/nearest.js';

describe('nearest', () => {
  const known = ['endpoints', 'layout', 'ttl', 'refresh_interval'];
  it.each([
    ['endpoint', 'endpoints'],
    ['refreshInterval', 'refresh_interval'],
    ['refersh_interval', 'refresh_interval'],
    ['laoyut', 'layout'],
    ['tll', 'ttl'],
    ['colour', undefined],
    ['', undefined],
  ])('%j means %j', (name, meant) => expect(nearest(name, known)).toBe(meant));
});
