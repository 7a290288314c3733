/** Series by the addresses of nodes: made while a node has the address, and gone with the last that had it. */

import { formatAddress, type Address } from '../../core/address.js';
import type { Node } from '../../core/node.js';
import type { NodeSet } from '../../core/nodeSet.js';

export class Instances {
  private readonly nodes: () => NodeSet;
  /** Called once nobody has the address any more. */
  private readonly gone: (instance: string) => void;
  private readonly holders = new Map<string, Set<string>>();
  private readonly held = new Map<string, Set<string>>();
  private readonly texts = new WeakMap<Address, string>();

  constructor(nodes: () => NodeSet, gone: (instance: string) => void) {
    this.nodes = nodes;
    this.gone = gone;
  }

  /** The address of a node as a label. */
  of({ address }: Node): string {
    let text = this.texts.get(address);
    if (text === undefined) {
      text = formatAddress(address);
      this.texts.set(address, text);
    }
    return text;
  }

  /**
   * Whether there may be series for the address of a node. Of one that has gone, or has another now, nobody would
   * remove them.
   */
  hold(node: Node): boolean {
    const { id } = node;
    const instance = this.of(node);
    if (this.holders.get(instance)?.has(id)) return true;
    const known = this.nodes().get(id);
    if (known === undefined || this.of(known) !== instance) return false;
    entry(this.holders, instance).add(id);
    entry(this.held, id).add(instance);
    return true;
  }

  forget({ id }: Node): void {
    for (const instance of this.held.get(id) ?? []) this.release(id, instance);
    this.held.delete(id);
  }

  /** The node has another address now. */
  moved(before: Node): void {
    const instance = this.of(before);
    if (this.held.get(before.id)?.delete(instance)) this.release(before.id, instance);
  }

  private release(id: string, instance: string): void {
    const holders = this.holders.get(instance);
    holders?.delete(id);
    if (holders === undefined || holders.size > 0) return;
    this.holders.delete(instance);
    this.gone(instance);
  }
}

function entry(map: Map<string, Set<string>>, key: string): Set<string> {
  let found = map.get(key);
  if (found === undefined) map.set(key, (found = new Set()));
  return found;
}
