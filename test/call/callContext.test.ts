import { callContext, readCallContext, type CallContextFields } from '../../src/index.js';

const full: CallContextFields = {
  requestId: 'r-1',
  traceId: 't-1',
  tenantId: 'acme',
  userId: '42',
  deviceId: 'd-1',
  platform: 'web',
  sessionId: 's-1',
  actor: { id: 'a-1', type: 2, roles: ['admin', 'audit'], attributes: { region: 'eu', level: '3' } },
};

describe('callContext', () => {
  it('writes the headers that flare’s services read', () => {
    expect(callContext(full)).toEqual({
      'x-request-id': 'r-1',
      'x-trace-id': 't-1',
      'x-tenant-id': 'acme',
      'x-user-id': '42',
      'x-device-id': 'd-1',
      'x-platform': 'web',
      'x-session-id': 's-1',
      'x-actor-id': 'a-1',
      'x-actor-type': '2',
      'x-actor-roles': ['admin', 'audit'],
      'x-actor-attr-region': 'eu',
      'x-actor-attr-level': '3',
    });
  });

  it('is read back as it was written, and what is not there is left out', () => {
    expect(readCallContext(callContext(full))).toEqual(full);
    expect(readCallContext({})).toEqual({});
    expect(callContext({})).toEqual({});
  });

  it('reads the other header of the platform, and passes over a type that is none', () => {
    expect(readCallContext({ 'x-device-platform': 'ios', 'x-actor-type': '9' })).toEqual({ platform: 'ios' });
    expect(readCallContext({ 'x-device-platform': 'ios', 'x-platform': 'web' })).toEqual({ platform: 'web' });
  });

  it('says so where flare silently drops what a header cannot carry', () => {
    expect(() => callContext({ userId: 'Zoë' })).toThrow(/x-user-id must be printable ASCII/);
    expect(() => callContext({ actor: { type: 6 } })).toThrow(/x-actor-type/);
    expect(() => callContext({ actor: { roles: ['a\nb'] } })).toThrow(/x-actor-roles/);
    expect(() => callContext({ actor: { attributes: { 'a b': '' } } })).toThrow(/no name for a header/);
  });
});
