/** One instance as its records tell it: where it listens, what it says of itself, and what is still to be asked. */

import type { Address } from '../../core/address.js';
import { addressOrder, addressRank, type HeardAddress } from './addressOrder.js';
import { nameKey } from './name.js';
import type { Question, SrvRecord, TxtRecord } from './packet.js';
import type { RecordCache } from './recordCache.js';
import { readTxt, txtFacts, type TxtFacts } from './txt.js';

/** An interface, as far as addresses heard on it are concerned. */
export interface Place {
  readonly networks: readonly string[];
  readonly loopback: boolean;
}

export interface InstanceFacts {
  /** The preferred first; none while the instance cannot be dialled. */
  readonly addresses: readonly Address[];
  /** The hosts that its SRV records name. */
  readonly hosts: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly said: TxtFacts;
  readonly missing: readonly Question[];
  /** Only link-local IPv6 so far; what is asked for may still bring better. */
  readonly makeshift: boolean;
}

/** More addresses than this are no use, only a burden. */
const maxAddresses = 32;

/** Puts together what the cache holds of an instance. `place` tells of the interface of a name. */
export function readInstance(cache: RecordCache, name: string, place: (link: string) => Place): InstanceFacts {
  const missing: Question[] = [];
  const services = cache.get(name, 'SRV').map(({ record, dying }) => ({ record: record as SrvRecord, dying }));
  services.sort((a, b) => Number(a.dying) - Number(b.dying) || a.record.priority - b.record.priority);
  if (!services.some(({ dying }) => !dying)) missing.push({ name, type: 'SRV' });

  const heard = new Map<string, HeardAddress & { readonly port: number }>();
  services.forEach(({ record: { target, port }, dying }, index) => {
    const records = [...cache.get(target, 'A'), ...cache.get(target, 'AAAA')];
    if (!dying && !records.some((record) => !record.dying)) {
      missing.push({ name: target, type: 'A' }, { name: target, type: 'AAAA' });
    }
    // The same SRV record from two interfaces is one rank.
    const order = services.findIndex(({ record }) => record.priority === services[index]!.record.priority);
    for (const entry of records) {
      if (entry.record.type !== 'A' && entry.record.type !== 'AAAA') continue;
      const plain = entry.record.address;
      const address = /^fe[89ab].:/i.test(plain) ? `${plain}%${entry.link}` : plain;
      const found = { address, port, order, dying: dying || entry.dying, ...place(entry.link) };
      const known = heard.get(`${address} ${port}`);
      if (!known || addressOrder(found, known) < 0) heard.set(`${address} ${port}`, found);
    }
  });

  // A responder may tell each kind of address on its own IP version only, so that one comes before the other.
  const makeshift = heard.size > 0 && [...heard.values()].every((found) => addressRank(found) === 5);
  const unasked = services.filter(({ dying }) => makeshift && !dying).map(({ record }) => record.target);
  for (const name of unasked) missing.push({ name, type: 'A' });

  const texts = cache.get(name, 'TXT');
  if (texts.length === 0) missing.push({ name, type: 'TXT' });
  const metadata = texts[0] ? readTxt((texts[0].record as TxtRecord).strings) : {};
  return {
    addresses: [...heard.values()]
      .sort(addressOrder)
      .slice(0, maxAddresses)
      .map(({ address, port }) => ({ host: address, port })),
    hosts: [...new Set(services.map(({ record }) => nameKey(record.target)))],
    metadata,
    said: txtFacts(metadata),
    missing,
    makeshift,
  };
}
