import { describe, expect, it } from 'vitest';
import type { CallOptions } from '../../src/call/call.js';
import { callDefaults } from '../../src/client/callDefaults.js';
import { FleetError } from '../../src/core/fleetError.js';

describe('callDefaults', () => {
  const methods = {
    '/demo.Greeter/SayHello': { deadlineMs: 100 },
    '/demo.Greeter/*': { deadlineMs: 200, waitForReady: true },
    '*': { deadlineMs: 300 },
  };

  it('takes what is said of the method, as a whole, before what is said of its service, and of all', () => {
    const defaults = callDefaults({ key: 'k' }, methods);
    expect(defaults('/demo.Greeter/SayHello', undefined)).toEqual({ key: 'k', deadlineMs: 100 });
    expect(defaults('/demo.Greeter/Chat', undefined)).toEqual({ key: 'k', deadlineMs: 200, waitForReady: true });
    expect(defaults('/demo.Other/SayHello', undefined)).toEqual({ key: 'k', deadlineMs: 300 });
    expect(defaults('query', undefined)).toEqual({ key: 'k', deadlineMs: 300 });
  });

  it('lets a call have its own way', () => {
    const defaults = callDefaults({ deadlineMs: 5, key: 'k' }, methods);
    expect(defaults('/demo.Greeter/SayHello', { deadlineMs: 7 })).toEqual({ deadlineMs: 7, key: 'k' });
  });

  it('keeps a default that a call, or its method, leaves open by an explicit undefined', () => {
    const open: CallOptions = { deadlineMs: undefined, retry: undefined };
    const calls = { deadlineMs: 5, retry: false } as const;
    expect(callDefaults(calls)('query', { ...open, key: 'k' })).toEqual({ ...calls, key: 'k' });
    expect(callDefaults(calls, { '*': open })('query', undefined)).toEqual(calls);
    const strict = callDefaults(calls, { '*': { longestDeadlineMs: 3 } });
    expect(strict('query', open)).toEqual({ ...calls, deadlineMs: 3 });
  });

  it('holds every call to the longest deadline of its method', () => {
    const defaults = callDefaults({}, { '/a.B/*': { longestDeadlineMs: 100 }, '*': {} });
    expect(defaults('/a.B/C', undefined).deadlineMs).toBe(100);
    expect(defaults('/a.B/C', { deadlineMs: 40 }).deadlineMs).toBe(40);
    expect(defaults('/a.B/C', { deadlineMs: 400, key: 'k' })).toEqual({ deadlineMs: 100, key: 'k' });
    expect(defaults('/a.B/C', { deadlineMs: Infinity }).deadlineMs).toBe(100);
    expect(defaults('/a.C/C', { deadlineMs: 400 }).deadlineMs).toBe(400);
    const stricter = callDefaults({ deadlineMs: 20 }, { '*': { longestDeadlineMs: 100 } });
    expect(stricter('/a.B/C', undefined).deadlineMs).toBe(20);
  });

  it('makes no new options for a call that has none of its own', () => {
    const defaults = callDefaults({ key: 'k' }, methods);
    expect(defaults('/demo.Greeter/SayHello', undefined)).toBe(defaults('/demo.Greeter/SayHello', undefined));
    const own = { key: 'mine' };
    expect(callDefaults({}, undefined)('/a.B/C', own)).toBe(own);
  });

  it.each([
    ['a key that no method can have', { 'demo.Greeter/': {} }, /methods\["demo\.Greeter\/"\]/],
    ['a pattern within a name', { '/demo.*/SayHello': {} }, /methods/],
    [
      'senseless options, by the name of the method',
      { '/a.B/C': { deadlineMs: -1 } },
      /methods\["\/a\.B\/C"\].*deadlineMs/,
    ],
    ['a longest deadline of nothing', { '*': { longestDeadlineMs: 0 } }, /longestDeadlineMs must be above 0/],
    ['a limit below nothing', { '*': { maxRequestBytes: -1 } }, /maxRequestBytes/],
    ['a limit that is no number', { '*': { maxResponseBytes: NaN } }, /maxResponseBytes/],
  ])('refuses %s', (_, bad, message) => {
    expect(() => callDefaults({}, bad)).toThrow(FleetError);
    expect(() => callDefaults({}, bad)).toThrow(message);
  });
});
