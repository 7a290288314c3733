/** How nodes are written as keys and values, and read back: what one ecosystem agrees on. */

import type { Node, NodeInit } from '../../core/node.js';

/** One key of etcd with its value, both as text. */
export interface EtcdEntry {
  /** Without the `prefix` option. */
  readonly key: string;
  readonly value: string;
}

/** What is looked for. */
export interface EtcdScope {
  readonly service: string;
  /** From the query, else from the options; undefined when neither names one. */
  readonly namespace: string | undefined;
}

/**
 * A pair of pure functions. A layout of your own is these two, with the `prefix` under which its keys stand:
 *
 * ```ts
 * const ours: EtcdLayout = {
 *   decode: ({ key, value }) => ({ id: key.slice(key.lastIndexOf('/') + 1), address: value }),
 *   encode: (node) => ({ key: `${node.service}/${node.id}`, value: formatAddress(node.address) }),
 * };
 * etcd({ endpoints, layout: ours, prefix: '/nodes/' });
 * ```
 */
export interface EtcdLayout {
  /**
   * The node of an entry; undefined when the entry is fine but not of this scope. What it throws is told as a
   * `skipped` event. The service and the namespace of the scope are filled in where it names none.
   */
  readonly decode: (entry: EtcdEntry, scope: EtcdScope) => NodeInit | undefined;
  /**
   * The entry of a node, in the namespace of the node, else in the one given, else in that of the layout.
   * Throws `INVALID_OPTION` for a node that the layout cannot express.
   */
  readonly encode: (node: Node, namespace: string | undefined) => EtcdEntry;
  /** The beginnings of all keys of a scope. Default: `service/`. */
  readonly prefixes?: (scope: EtcdScope) => readonly string[];
}
