/** The optional labels of gRPC that tell of the node: where it stands, and of which service it is (gRFC A78, A89). */

import type { Node } from '../../core/node.js';
import type { Labels } from './series.js';

/** A label that gRPC leaves out unless it is asked for. */
export type OptionalLabel = 'grpc.lb.locality' | 'grpc.lb.backend_service';

export const optionalLabels: readonly OptionalLabel[] = ['grpc.lb.locality', 'grpc.lb.backend_service'];

const none: Labels = {};

export class NodeLabels {
  /** True when none was asked for, so that nobody need look at the node. */
  readonly empty: boolean;
  private readonly wanted: ReadonlySet<OptionalLabel>;
  private readonly known = new WeakMap<Node, { readonly labels: Labels; readonly key: string }>();

  constructor(wanted: readonly OptionalLabel[]) {
    this.wanted = new Set(wanted);
    this.empty = wanted.length === 0;
  }

  of(node: Node | undefined): Labels {
    return this.empty ? none : this.look(node).labels;
  }

  /** Equal for nodes with equal labels. */
  keyOf(node: Node | undefined): string {
    return this.empty ? '' : this.look(node).key;
  }

  private look(node: Node | undefined) {
    const known = node && this.known.get(node);
    if (known) return known;
    const labels: Record<string, string> = {};
    if (this.wanted.has('grpc.lb.locality')) labels.grpc_lb_locality = localityOf(node);
    // With xDS the cluster, else the service that the node was found under.
    if (this.wanted.has('grpc.lb.backend_service')) {
      labels.grpc_lb_backend_service = node?.metadata.cluster ?? node?.service ?? '';
    }
    const found = { labels, key: Object.values(labels).join('\n') };
    if (node) this.known.set(node, found);
    return found;
  }
}

/** As gRPC names the child of its policy for a locality; empty where nothing is known. */
function localityOf(node: Node | undefined): string {
  const { region = '', zone = '', metadata } = node ?? {};
  if (!region && !zone) return '';
  const subZone = metadata?.locality?.split('/')[2] ?? '';
  return `{region="${region}", zone="${zone}", sub_zone="${subZone}"}`;
}
