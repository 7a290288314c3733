import fc from 'fast-check';
import { FleetError } from '../../src/core/fleetError.js';
import { readNode } from '../../src/discovery/readNode.js';

describe('readNode', () => {
  it('reads host:port alone, and takes the rest from the defaults', () => {
    const node = readNode('h:1', { service: 's', sources: ['file'] });
    expect(node).toMatchObject({ id: 'h:1', service: 's', sources: ['file'], weight: 1 });
  });

  it('null says nothing, as in a document that lists every field', () => {
    expect(readNode({ address: 'h:1', id: null, zone: null, tags: null, weight: null })).toMatchObject({
      id: 'h:1',
      zone: undefined,
      weight: 1,
    });
  });

  it.each<[unknown, RegExp]>([
    [7, /a node must be/],
    [null, /a node must be/],
    [['h:1'], /a node must be/],
    [{}, /has no address/],
    [{ address: 'h' }, /"h" is no address/],
    [{ address: 7 }, /^address must be/],
    [{ addresses: 'h:1' }, /^addresses must be a list/],
    [{ addresses: ['h:1', {}] }, /^addresses\[1\] must be/],
    [{ address: 'h:1', id: '' }, /^id must be/],
    [{ address: 'h:1', version: 1.1 }, /^version must be a text: put it in quotes, not 1.1/],
    [{ address: 'h:1', weight: '3' }, /^weight must be a number/],
    [{ address: 'h:1', weight: -1 }, /weight/],
    [{ address: 'h:1', tags: 'gpu' }, /^tags must be/],
    [{ address: 'h:1', tags: ['=x'] }, /^tags\[0\] must be/],
    [{ address: 'h:1', tags: { a: 1.5 } }, /^tags\.a must be/],
    [{ address: 'h:1', metadata: ['a'] }, /^metadata must be/],
  ])('%j is refused by the name of the field', (value, what) => {
    expect(() => readNode(value)).toThrow(FleetError);
    expect(() => readNode(value)).toThrow(what);
  });

  it('never throws anything else, whatever the document holds', () => {
    const field = fc.constantFrom(
      'address',
      'addresses',
      'id',
      'tags',
      'metadata',
      'weight',
      '__proto__',
      'constructor',
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(field, fc.jsonValue())), (value) => {
        try {
          readNode(value);
        } catch (error) {
          expect(error).toBeInstanceOf(FleetError);
        }
      }),
    );
  });
});
