/** Certificates for tests, made on the spot: an authority, a node and a client signed by it, and a stranger. */

import { createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

/** A certificate and its private key, in PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface TestCertificates {
  readonly authority: KeyPair;
  /** For `localhost`, `127.0.0.1` and `node.test`, signed by `authority`. */
  readonly node: KeyPair;
  /** Signed by `authority`. */
  readonly client: KeyPair;
  /** Another authority, which signed none of these. */
  readonly stranger: KeyPair;
}

/** Fresh ones, valid from an hour ago for one day. Elliptic keys, so it takes milliseconds. */
export function createTestCertificates(): TestCertificates {
  const authority = certificate('rxfleet test authority');
  return {
    authority,
    node: certificate('node.test', authority, ['localhost', 'node.test'], [[127, 0, 0, 1]]),
    client: certificate('rxfleet test client', authority),
    stranger: certificate('a stranger'),
  };
}

/** X.509 version 3 by RFC 5280, signed with ECDSA and SHA-256. */
function certificate(
  name: string,
  issuer?: KeyPair,
  hosts: readonly string[] = [],
  addresses: readonly number[][] = [],
): KeyPair & { readonly name: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuerName = (issuer as { name?: string } | undefined)?.name ?? name;
  const issuerKey: KeyObject = issuer ? createPrivateKey(issuer.key) : privateKey;
  const now = Date.now();
  const extensions = [extension([0x55, 0x1d, 0x13], issuer ? sequence() : sequence(der(0x01, [0xff])), true)];
  if (hosts.length > 0 || addresses.length > 0) {
    const names = [...hosts.map((host) => der(0x82, Buffer.from(host))), ...addresses.map((bytes) => der(0x87, bytes))];
    extensions.push(extension([0x55, 0x1d, 0x11], sequence(...names)));
  }
  const signed = sequence(
    der(0xa0, integer([2])),
    integer([0x01, ...randomBytes(8)]),
    ecdsaWithSha256,
    distinguishedName(issuerName),
    sequence(time(now - 3_600_000), time(now + 86_400_000)),
    distinguishedName(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const body = sequence(signed, ecdsaWithSha256, der(0x03, [0], sign('sha256', signed, issuerKey)));
  const lines = body.toString('base64').replace(/.{64}/g, '$&\n');
  return {
    name,
    cert: `-----BEGIN CERTIFICATE-----\n${lines.trimEnd()}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

type Bytes = Uint8Array | readonly number[];

/** Tag, length, content: the distinguished encoding rules of ASN.1. */
function der(tag: number, ...parts: readonly Bytes[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Bytes[]): Buffer {
  return der(0x30, ...parts);
}

function integer(bytes: Bytes): Buffer {
  return der(0x02, bytes);
}

function time(at: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(at).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}

/** With a common name and nothing else. */
function distinguishedName(name: string): Buffer {
  return sequence(der(0x31, sequence(der(0x06, [0x55, 0x04, 0x03]), der(0x0c, Buffer.from(name)))));
}

function extension(oid: readonly number[], value: Buffer, critical = false): Buffer {
  return sequence(der(0x06, oid), ...(critical ? [der(0x01, [0xff])] : []), der(0x04, value));
}

/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));
