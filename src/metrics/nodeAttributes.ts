/** What metrics may tell of the node: where it stands, and of which service it is (gRFC A78, A89); only where that is asked for. */

import type { Node } from '../core/node.js';
import type { Attributes } from './metric.js';

/** `locality` and `backendService` are what gRPC leaves out unless it is asked for. `node` is the id. */
export type NodeAttribute = 'locality' | 'backendService' | 'node';

const none: Attributes = {};

export class NodeAttributes {
  /** True when none was asked for, so that nobody need look at the node. */
  readonly empty: boolean;
  private readonly wanted: readonly NodeAttribute[];
  private readonly known = new WeakMap<Node, { readonly attributes: Attributes; readonly key: string }>();

  constructor(wanted: Iterable<NodeAttribute>) {
    this.wanted = [...new Set(wanted)];
    this.empty = this.wanted.length === 0;
  }

  of(node: Node | undefined): Attributes {
    return this.empty ? none : this.look(node).attributes;
  }

  /** Equal for nodes with equal attributes. */
  keyOf(node: Node | undefined): string {
    return this.empty ? '' : this.look(node).key;
  }

  private look(node: Node | undefined) {
    const known = node && this.known.get(node);
    if (known) return known;
    const attributes = Object.fromEntries(this.wanted.map((each) => [each, read[each](node)]));
    const found = { attributes, key: Object.values(attributes).join('\n') };
    if (node) this.known.set(node, found);
    return found;
  }
}

const read: Readonly<Record<NodeAttribute, (node: Node | undefined) => string>> = {
  /** As gRPC names the child of its policy for a locality; empty where nothing is known. */
  locality(node) {
    const { region = '', zone = '', metadata } = node ?? {};
    if (!region && !zone) return '';
    const subZone = metadata?.locality?.split('/')[2] ?? '';
    return `{region="${region}", zone="${zone}", sub_zone="${subZone}"}`;
  },
  /** With xDS the cluster, else the service that the node was found under. */
  backendService: (node) => node?.metadata.cluster ?? node?.service ?? '',
  node: (node) => node?.id ?? '',
};
