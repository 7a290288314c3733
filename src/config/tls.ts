/** TLS as a configuration writes it: by files. */

import { readFileSync } from 'node:fs';
import { FleetError } from '../core/fleetError.js';
import type { TlsOptions } from '../transport/transportOptions.js';
import { text, yesNo, type ValuesOf } from './setting.js';

/** The settings of TLS. */
export const tlsSection = {
  /** False is plain text, whatever else stands here. Default: TLS when anything does. */
  enabled: yesNo(),
  /** The authorities that may have signed the other side's certificate, in PEM. Default: those that Node.js trusts. */
  ca_file: text(),
  /** Our own certificate chain, in PEM; needs `key_file`. */
  cert_file: text(),
  key_file: text(),
  /** The name that the certificate must bear. Default: the host that is dialled. */
  server_name: text(),
  /** False trusts any certificate: for tests only. Default true. */
  verify: yesNo(),
};

/**
 * The files read; undefined for plain text.
 *
 * @throws FleetError `INVALID_OPTION` for a file that cannot be read, naming the setting and the file.
 */
export function tlsOf(values: ValuesOf<typeof tlsSection>, path: string): TlsOptions | undefined {
  const { enabled, ca_file, cert_file, key_file, server_name, verify } = values;
  const any = [ca_file, cert_file, key_file, server_name, verify].some((value) => value !== undefined);
  if (!(enabled ?? any)) return undefined;
  return {
    ...(ca_file === undefined ? {} : { ca: contentOf(ca_file, `${path}.ca_file`) }),
    ...(cert_file === undefined ? {} : { cert: contentOf(cert_file, `${path}.cert_file`) }),
    ...(key_file === undefined ? {} : { key: contentOf(key_file, `${path}.key_file`) }),
    ...(server_name === undefined ? {} : { serverName: server_name }),
    ...(verify === undefined ? {} : { rejectUnauthorized: verify }),
  };
}

function contentOf(file: string, path: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new FleetError('INVALID_OPTION', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
