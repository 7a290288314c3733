import { FleetError, type Attempt } from '../../src/core/fleetError.js';

const attempts: Attempt[] = [
  { node: 'hub-1', address: '10.0.0.1:1', code: 'UNAVAILABLE', message: 'refused', durationMs: 12.4 },
  { node: 'hub-2', address: '10.0.0.2:1', code: 'DEADLINE_EXCEEDED', message: 'late', durationMs: 800 },
];

describe('FleetError', () => {
  it('is an Error with a code, and sums up what was tried in its message', () => {
    const error = new FleetError('UNAVAILABLE', 'no node answered', { attempts });
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe('FleetError');
    expect(error.message).toBe(
      'no node answered (tried: hub-1 UNAVAILABLE after 12 ms, hub-2 DEADLINE_EXCEEDED after 800 ms)',
    );
    expect(error.detail).toBe('no node answered');
    expect(error.node).toBe('hub-2');
    expect(error.attempts).toBe(attempts);
  });

  it('says who is to blame and what to do', () => {
    expect(new FleetError('INVALID_OPTION', 'x').blame).toBe('caller');
    expect(new FleetError('UNAVAILABLE', 'x').blame).toBe('network');
    expect(new FleetError('UNAVAILABLE', 'x').remedy).toMatch(/reachable/);
  });

  it('counts as sent unless it is known not to be, since a repeat may do harm', () => {
    expect(new FleetError('UNAVAILABLE', 'x').sent).toBe(true);
    expect(new FleetError('UNAVAILABLE', 'x', { sent: false }).sent).toBe(false);
  });

  it('becomes a plain object for logs, without cause and bytes', () => {
    const error = new FleetError('BAD_SCHEMA', 'not a vector', {
      node: 'hub-1',
      bytes: new Uint8Array(3),
      cause: new Error('secret'),
    });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'BAD_SCHEMA',
      message: 'not a vector',
      node: 'hub-1',
      attempts: [],
    });
    expect(error.bytes).toHaveLength(3);
    expect(error.cause).toMatchObject({ message: 'secret' });
  });

  it('learns more on its way up and forgets nothing', () => {
    const cause = new Error('ECONNREFUSED');
    const bytes = new Uint8Array(1);
    const first = new FleetError('UNAVAILABLE', 'refused', { cause, sent: false, bytes });
    const second = first.with({ node: 'hub-1' }).with({ attempts });
    expect(second).toMatchObject({ code: 'UNAVAILABLE', detail: 'refused', node: 'hub-1', sent: false, cause, bytes });
    // The summary stands once, however often it was rebuilt.
    expect(second.with({}).message).toBe(second.message);
    expect(second.message.match(/tried/g)).toHaveLength(1);
    expect(second.stack).toBe(first.stack);
    expect('cause' in new FleetError('UNKNOWN', 'x').with({ node: 'a' })).toBe(false);
  });

  it('names nobody in its stack when it came over the wire, and says all else', () => {
    const limit = Error.stackTraceLimit;
    const error = FleetError.untraced('UNAVAILABLE', 'refused', { sent: false });
    expect(error.stack).not.toMatch(/\n\s+at /);
    expect(Error.stackTraceLimit).toBe(limit);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: 'refused', sent: false });
    const more = error.with({ node: 'hub-1', attempts });
    expect(more).toMatchObject({ node: 'hub-1', attempts });
    expect(more.stack).not.toMatch(/\n\s+at /);
  });

  it('is made from whatever was thrown, and from itself not again', () => {
    const error = new FleetError('NO_NODES', 'nobody');
    expect(FleetError.from(error, 'INTERNAL')).toBe(error);
    const thrown = new TypeError('x is undefined');
    expect(FleetError.from(thrown)).toMatchObject({ code: 'UNKNOWN', message: 'x is undefined', cause: thrown });
    expect(FleetError.from('text', 'INTERNAL', { node: 'a' })).toMatchObject({
      code: 'INTERNAL',
      message: 'text',
      node: 'a',
    });
    expect(FleetError.from(new RangeError()).message).toBe('RangeError');
    expect(FleetError.from(undefined).message).toBe('undefined');
  });
});
