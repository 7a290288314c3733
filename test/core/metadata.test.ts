import { emptyMetadata, metadataText } from '../../src/core/metadata.js';

describe('metadata', () => {
  it('gives the first text of a key, and no bytes as text', () => {
    expect(metadataText({ a: '1' }, 'a')).toBe('1');
    expect(metadataText({ a: ['1', '2'] }, 'a')).toBe('1');
    expect(metadataText({ 'a-bin': new Uint8Array(2) }, 'a-bin')).toBeUndefined();
    expect(metadataText({ a: [] }, 'a')).toBeUndefined();
    expect(metadataText({}, 'a')).toBeUndefined();
  });

  it('has one empty form, which nobody can write to', () => {
    expect(Object.isFrozen(emptyMetadata)).toBe(true);
    expect(emptyMetadata).toEqual({});
  });
});
