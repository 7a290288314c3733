/** Questions and records of DNS, as far as a discovery needs them. Names have no final dot; their case means nothing. */

export interface Question {
  readonly name: string;
  readonly type: 'SRV' | 'A' | 'AAAA' | 'TXT';
}

interface RecordHead {
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
}

export type SrvRecord = RecordHead & {
  readonly type: 'SRV';
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
};

export type DnsRecord =
  | SrvRecord
  | (RecordHead & { readonly type: 'A'; readonly address: string })
  | (RecordHead & { readonly type: 'AAAA'; readonly address: string })
  | (RecordHead & { readonly type: 'TXT'; readonly strings: readonly string[] })
  | (RecordHead & { readonly type: 'CNAME'; readonly target: string })
  /** `minimum` is the life of what is not there, in seconds (RFC 2308, 4). */
  | (RecordHead & { readonly type: 'SOA'; readonly minimum: number });

/** What a server sent. */
export interface Message {
  readonly id: number;
  readonly isResponse: boolean;
  /** Cut to the size of a datagram: to be asked for over TCP. */
  readonly truncated: boolean;
  /** From a server that has the zone itself. */
  readonly authoritative: boolean;
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … */
  readonly rcode: string;
  /** The question that it answers; undefined when it has none, or more than one. */
  readonly question: { readonly name: string; readonly type: string } | undefined;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Those records of a type that stand under a name. */
export function recordsOf<T extends DnsRecord['type']>(
  records: readonly DnsRecord[],
  name: string,
  type: T,
): Extract<DnsRecord, { type: T }>[] {
  return records.filter(
    (record): record is Extract<DnsRecord, { type: T }> => record.type === type && sameName(record.name, name),
  );
}
