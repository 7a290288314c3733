/** Values in a few words: what a legend says must be the same in every run, and never too long. */

import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { EMPTY } from 'rxjs';
import { FleetError } from '../../../src/core/fleetError.js';
import { createNode } from '../../../src/core/node.js';
import { NodeSet } from '../../../src/core/nodeSet.js';
import { HelloRequestSchema } from '../../../src/gen/demo/greeter_pb.js';
import { drawnNode, valueLabel } from '../../../src/testing/marble/valueLabel.js';

const x = createNode({ id: 'x', address: 'x.example:1' });
const out = createNode({ id: 'y', address: 'y.example:1', availability: 'connecting' });

describe('the label of a value', () => {
  const labels: readonly (readonly [what: string, value: unknown, label: string])[] = [
    ['a string', 'x[a,b]', 'x[a,b]'],
    ['an empty string', '', '""'],
    ['a number', 20 / 3, '6.66667'],
    ['a bigint', 10n, '10'],
    ['nothing', undefined, 'undefined'],
    ['an error of rxfleet: its code', new FleetError('UNAVAILABLE', 'down'), 'UNAVAILABLE: down'],
    ['any error', new TypeError('x is undefined'), 'TypeError: x is undefined'],
    ['a node', x, 'x'],
    ['a node that takes no calls', out, 'y (connecting)'],
    ['a set', NodeSet.of([x, out]), 'x y (connecting)'],
    ['an empty set', NodeSet.empty, 'no nodes'],
    ['a set whose source is cut off', NodeSet.of([x], { since: 7, reason: 'cut off' }), 'x (stale: cut off)'],
    ['bytes', new Uint8Array(6), '6 bytes'],
    ['a list', ['a', ['b']], 'a, [b]'],
    ['a map', new Map([['k', 1]]), '{ k: 1 }'],
    [
      'an object, without what is not set',
      { a: 1, b: undefined, c: '', d: [], e: { f: 'g' } },
      '{ a: 1, e: { f: g } }',
    ],
    ['a message', create(HelloRequestSchema, { name: 'Ada' }), 'HelloRequest { name: Ada }'],
    ['an Observable', EMPTY, 'an Observable'],
    ['a function', function named() {}, 'named()'],
    ['several lines', 'one\n  two', 'one two'],
  ];
  for (const [what, value, label] of labels) {
    it(`tells ${what}`, () => expect(valueLabel(value)).toBe(label));
  }

  it('says nothing that differs from run to run', () => {
    const set = () =>
      NodeSet.of([createNode({ id: 'x', address: `127.0.0.1:${1 + Math.floor(Math.random() * 9_999)}` })]);
    expect(valueLabel(set())).toBe(valueLabel(set()));
  });

  it('is one short line for any value', () => {
    const ring: Record<string, unknown> = { name: 'ring' };
    ring.self = ring;
    for (const value of [
      ring,
      {
        get broken() {
          throw new Error('no');
        },
      },
      Object.create(null),
      Symbol('s'),
    ]) {
      expect(valueLabel(value)).toMatch(/^.{1,160}$/);
    }
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(valueLabel(value)).toMatch(/^.{1,160}$/u);
      }),
    );
  });
});

describe('a node as it is drawn', () => {
  it('says why it takes no calls, and what else balancers heed', () => {
    expect(drawnNode(x)).toEqual({ id: 'x' });
    expect(drawnNode(out)).toEqual({ id: 'y', out: 'connecting' });
    const heavy = { weight: 2, zone: 'eu', tags: { ocr: '', tier: 'a' }, load: { cpu: 0.5 } };
    expect(drawnNode(createNode({ id: 'z', address: 'z.example:1', ...heavy }))).toEqual({
      id: 'z',
      note: 'weight 2, zone eu, ocr, tier=a, cpu 0.5',
    });
  });
});
