/** What a broker says, read whole or not at all. */

import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import { isRecord } from '../readNode.js';
import { brokerId, brokerNode } from './brokerNode.js';
import type { BrokerSource } from './brokerSource.js';

/** A message of the WebSocket. */
export type BrokerMessage =
  | { readonly type: 'snapshot'; readonly nodes: readonly Node[] }
  | { readonly type: 'added'; readonly node: Node }
  | { readonly type: 'removed'; readonly id: string };

/**
 * Reads one message of `/v1/nodes/watch`.
 *
 * @throws FleetError `BAD_RESPONSE` when any part of it is wrong.
 */
export function brokerMessage(text: string, source: BrokerSource): BrokerMessage {
  const message = json(text);
  if (!isRecord(message)) throw bad('a message is no object');
  switch (message.type) {
    case 'snapshot':
      // Go writes a list without entries as null.
      return { type: 'snapshot', nodes: nodesOf(message.nodes ?? [], source) };
    case 'added':
      return { type: 'added', node: brokerNode(message.node, source) };
    case 'removed': {
      const node = isRecord(message.node) ? message.node : {};
      return { type: 'removed', id: brokerId(message.node_id ?? node.node_id, source) };
    }
    default:
      throw bad(`a message of type ${JSON.stringify(message.type)} is not known`);
  }
}

/**
 * Reads the answer of `/v1/nodes`: a list, `{ nodes }`, or `{ success, data }` around either.
 *
 * @throws FleetError `BAD_RESPONSE` when it is neither, or any part of it is wrong.
 */
export function brokerList(text: string, source: BrokerSource): readonly Node[] {
  let answer = json(text);
  if (isRecord(answer) && 'success' in answer) {
    if (answer.success !== true) throw bad('the broker answers without success');
    answer = answer.data ?? [];
  }
  return nodesOf(isRecord(answer) && 'nodes' in answer ? (answer.nodes ?? []) : answer, source);
}

function nodesOf(value: unknown, source: BrokerSource): readonly Node[] {
  if (!Array.isArray(value)) throw bad('the nodes are no list');
  const ids = new Set<string>();
  return value.map((each: unknown) => {
    const node = brokerNode(each, source);
    if (ids.has(node.id)) throw bad(`two nodes have the id ${node.id}`);
    ids.add(node.id);
    return node;
  });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FleetError('BAD_RESPONSE', 'a message is no JSON', { cause });
  }
}

function bad(message: string): FleetError {
  return new FleetError('BAD_RESPONSE', message);
}
