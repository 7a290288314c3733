import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { watchGuarantees, type SourceState } from '../../src/testing/watchGuarantees.js';

const state = (forms: Record<string, string>): SourceState => new Map(Object.entries(forms));
const set = (forms: Record<string, string>, stale = false) =>
  NodeSet.of(
    Object.entries(forms).map(([id, version]) => createNode({ id, version, address: '10.0.0.1:1' })),
    stale ? { since: 0, reason: 'cut off' } : undefined,
  );
// In one transaction a and b move on together.
const states = [{}, { a: '1' }, { a: '1', b: '1' }, { a: '2', b: '2' }, { b: '2' }].map((forms) =>
  state(forms as Record<string, string>),
);
const breaches = (...sets: NodeSet[]) => watchGuarantees({ states, sets }).breaches;

describe('watchGuarantees', () => {
  it('finds nothing wrong with a watch that passes over states and ends at the last', () => {
    const verdict = watchGuarantees({ states, sets: [set({}), set({ a: '1', b: '1' }), set({ b: '2' })] });
    expect(verdict).toEqual({ breaches: [], shows: [0, 2, 4], missed: [], ghosts: [] });
  });

  it('notices a set that shows half a transaction', () => {
    expect(breaches(set({ a: '2', b: '1' }), set({ b: '2' }))).toEqual([
      'atomic: set 1 of 2 shows no state that the source was in',
    ]);
  });

  it('notices a set that goes back, and tells a bad resumption from a bad order', () => {
    expect(breaches(set({ a: '2', b: '2' }), set({ a: '1' }), set({ b: '2' }))).toEqual([
      'ordered: set 2 of 3 goes back to state 1',
    ]);
    expect(breaches(set({ a: '2', b: '2' }, true), set({ a: '1' }), set({ b: '2' }))).toEqual([
      'resumable: set 2 of 3 goes back to state 1',
    ]);
  });

  it('notices a set that is told twice, unless it has become stale or fresh', () => {
    expect(breaches(set({ b: '2' }), set({ b: '2' }, true))).toEqual([]);
    const told = set({ b: '2' });
    expect(breaches(told, told)).toEqual(['unique: set 2 of 2 says the same as the one before']);
  });

  it('notices what is missed and what is a ghost at the end', () => {
    const verdict = watchGuarantees({ states, sets: [set({ a: '2', b: '2' })] });
    expect(verdict).toMatchObject({ missed: [], ghosts: ['a'] });
    expect(verdict.breaches).toEqual(['reliable: the last set misses 0 nodes and has 1 ghosts']);
    expect(watchGuarantees({ states, sets: [] }).missed).toEqual(['b']);
  });

  it('notices a source that is listed more often than it had to be', () => {
    const sets = [set({ b: '2' })];
    expect(watchGuarantees({ states, sets, listings: { seen: 1, needed: 1 } }).breaches).toEqual([]);
    expect(watchGuarantees({ states, sets, listings: { seen: 2, needed: 1 } }).breaches).toEqual([
      'bookmarkable: listed 2 times where 1 were needed',
    ]);
  });
});
