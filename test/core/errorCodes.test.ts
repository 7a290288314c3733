import { status } from '@grpc/grpc-js';
import { errorCodes, grpcStatusNames, grpcStatusOf, type FleetErrorCode } from '../../src/core/errorCodes.js';

describe('errorCodes', () => {
  it('has every status of gRPC under its name and number', () => {
    for (const [index, name] of grpcStatusNames.entries()) {
      expect(status[name], name).toBe(index);
      if (name !== 'OK') expect(errorCodes[name], name).toBeDefined();
    }
    expect(grpcStatusNames).toHaveLength(17);
    expect('OK' in errorCodes).toBe(false);
  });

  it('says of each code what it means, what to do and who is to blame', () => {
    for (const [code, entry] of Object.entries(errorCodes)) {
      expect(entry.meaning, code).toMatch(/\S/);
      expect(entry.remedy, code).toMatch(/\S/);
      expect(['node', 'network', 'request', 'caller'], code).toContain(entry.blame);
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    }
  });

  it('retries by default only what another node may mend and nobody else is to blame for', () => {
    const retryable = Object.entries(errorCodes).filter(([, entry]) => entry.retryable);
    expect(retryable.map(([code]) => code)).toEqual(['UNAVAILABLE']);
    for (const [code, { blame }] of retryable) expect(['node', 'network'], code).toContain(blame);
  });

  it('has a status of gRPC for each, so that who knows only those still learns something', () => {
    for (const code of Object.keys(errorCodes) as FleetErrorCode[]) {
      expect(grpcStatusNames, code).toContain(grpcStatusOf(code));
      expect(grpcStatusOf(code), code).not.toBe('OK');
    }
    for (const name of grpcStatusNames) expect(grpcStatusOf(name)).toBe(name);
  });
});
