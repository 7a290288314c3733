/** What is announced by mDNS, and how the announcement stands. */

/** What is announced. */
export interface ServiceInstance {
  /** Such as `lumen`, announced as `_lumen._tcp`; a name that looks like `_x._tcp` or `_x._udp` is used as it is. */
  readonly service: string;
  /** The instance name, such as `Hub in the hall`: 1 to 63 bytes of UTF-8, anything but control characters. */
  readonly name: string;
  /** The port that the service listens on, 1 to 65,535. */
  readonly port: number;
  /**
   * The host name, with or without the domain. Default: one made up for this announcement alone, so that it clashes with
   * nobody. A name given here is taken as yours: it is not probed, and no goodbye is sent for it, since other
   * services may share it; its addresses must then be the same wherever it is announced.
   */
  readonly host?: string;
  /**
   * The addresses to announce. Default: on each interface those that the interface has, kept current.
   */
  readonly addresses?: readonly string[];
  /**
   * The TXT record. `true` makes a key without a value; `undefined` leaves the key out. Each `key=value` is at most
   * 255 bytes.
   */
  readonly txt?: Readonly<Record<string, string | Uint8Array | true | undefined>>;
}

/** How an announcement stands. */
export interface Advertisement {
  /**
   * `waiting`: no interface to announce on. `probing`: asking whether the name is free. `renamed`: it was not, and the
   * name here is probed next. `announced`: it is ours and told to the network; comes again after an update.
   */
  readonly state: 'waiting' | 'probing' | 'renamed' | 'announced';
  /** The instance name in use, which may be `Name (2)` after a conflict. */
  readonly name: string;
  /** The host name in use, with its domain. */
  readonly host: string;
  /** Why it waits or was renamed, in a sentence. */
  readonly reason?: string;
}
