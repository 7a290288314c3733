import { of } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { whereVersion, type VersionRule } from '../../src/discovery/whereVersion.js';

const versions = ['1.4.2', 'v1.4.9', '1.5', 'v2', '2.0.0-rc.1', '1.10.0', 'canary', '1.4.2+build.7', undefined];
const set = NodeSet.of(
  versions.map((version, i) => createNode({ id: version ?? 'none', address: `h:${i + 1}`, version })),
);
const kept = (rule: string | VersionRule): string[] => {
  let ids: string[] = [];
  of(set)
    .pipe(whereVersion(rule))
    .subscribe((next) => (ids = next.nodes.map(({ id }) => id)));
  return ids;
};

describe('whereVersion', () => {
  it.each<[string | VersionRule, string[]]>([
    ['^1.4', ['1.4.2', 'v1.4.9', '1.5', '1.10.0', '1.4.2+build.7']],
    ['~1.4.2', ['1.4.2', 'v1.4.9', '1.4.2+build.7']],
    ['1.5.x || >=2', ['1.5', 'v2']],
    ['*', ['1.4.2', 'v1.4.9', '1.5', 'v2', '1.10.0', '1.4.2+build.7']],
    [{ range: '>=2.0.0-0', includePrerelease: true }, ['v2', '2.0.0-rc.1']],
    [{ range: '^1.5', unversioned: 'keep' }, ['1.5', '1.10.0', 'canary', 'none']],
    [{ exact: '1.4.2' }, ['1.4.2']],
    [{ exact: 'V2' }, ['v2']],
    [{ exact: 'canary' }, ['canary']],
    [{ exact: '1.4' }, []],
    [{ prefer: '3.x', fallback: ['2.x', '1.x'] }, ['v2']],
    [{ prefer: '3.x', fallback: ['4.x', '1.x'], range: '<1.5' }, ['1.4.2', 'v1.4.9', '1.4.2+build.7']],
    [{ prefer: '3.x', fallback: 'none' }, []],
    [{ prefer: '3.x' }, versions.filter((version) => version !== undefined)],
    [{ prefer: '3.x', unversioned: 'keep', fallback: 'none' }, ['canary', 'none']],
  ])('%j keeps the versions that it names', (rule, ids) => {
    expect(kept(rule)).toEqual(ids);
  });

  it.each<[string | VersionRule, RegExp]>([
    ['newest', /"newest" is no range/],
    ['', /is no range/],
    [{}, /range, or \{ exact, range or prefer \}/],
    [{ range: 'one' }, /^range/],
    [{ prefer: 'one' }, /^prefer/],
    [{ prefer: '1', fallback: 'some' }, /^fallback/],
    [{ range: '1', fallback: 'any' }, /^fallback must be given together with prefer/],
    [{ exact: '' }, /^exact/],
  ])('%j is refused by name', (rule, what) => {
    expect(() => whereVersion(rule)).toThrow(FleetError);
    expect(() => whereVersion(rule)).toThrow(what);
  });
});
