import fc from 'fast-check';
import { formatAddress, isIPv4, isIPv6, parseAddress, sameAddress } from '../../src/core/address.js';
import { FleetError } from '../../src/core/fleetError.js';

describe('addresses', () => {
  it.each([
    ['10.0.0.5:50051', { host: '10.0.0.5', port: 50051 }],
    ['[::1]:50051', { host: '::1', port: 50051 }],
    ['[fe80::1%eth0]:1', { host: 'fe80::1%eth0', port: 1 }],
    ['node-1.example:65535', { host: 'node-1.example', port: 65535 }],
    ['  db-1:5432 ', { host: 'db-1', port: 5432 }],
  ])('reads %s', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(parseAddress(formatAddress(parseAddress(text)))).toEqual(address);
  });

  it.each([
    '',
    'host',
    ':80',
    'host:',
    'host:0',
    'host:65536',
    'host:-1',
    'host:80x',
    '::1:80',
    '[::1]',
    '[]:80',
    'http://host:80',
    'a b:80',
    'host:80/path',
  ])('refuses %j by name', (text) => {
    expect(() => parseAddress(text)).toThrow(FleetError);
    expect(() => parseAddress(text)).toThrow(`"${text}" is no address`);
  });

  it.each([
    [{ host: '', port: 80 }],
    [{ host: 'a', port: 0 }],
    [{ host: 'a', port: 1.5 }],
    [{ host: 'a', port: NaN }],
    [{ host: 'a' }],
    [{ port: 1 }],
    [{}],
  ])('refuses the address %j, as a FleetError', (address) => {
    expect(() => parseAddress(address as never)).toThrow(FleetError);
  });

  it('reads back whatever it writes', () => {
    const host = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,5})?$/),
    );
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        expect(parseAddress(formatAddress({ host, port }))).toEqual({ host, port });
      }),
    );
  });

  it('takes host names without regard to case, and ports with', () => {
    expect(sameAddress({ host: 'Hub.local', port: 1 }, { host: 'hub.LOCAL', port: 1 })).toBe(true);
    expect(sameAddress({ host: 'hub', port: 1 }, { host: 'hub', port: 2 })).toBe(false);
    expect(sameAddress({ host: 'hub', port: 1 }, { host: 'hub2', port: 1 })).toBe(false);
  });

  it('tells literal addresses from names', () => {
    expect([isIPv4('10.0.0.5'), isIPv4('10.0.0'), isIPv4('host'), isIPv4('::1')]).toEqual([true, false, false, false]);
    expect([isIPv6('::1'), isIPv6('fe80::1%eth0'), isIPv6('10.0.0.5'), isIPv6('host')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
