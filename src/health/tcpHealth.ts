/** Does anybody listen there? */

import { connect } from 'node:net';
import { Observable } from 'rxjs';
import { formatAddress } from '../core/address.js';
import type { HealthCheck } from './healthCheck.js';

/**
 * Connects to the node by TCP, and hangs up.
 *
 * For nodes that speak no health protocol. It shows that the machine and its port are there, not that the node serves:
 * a process that hangs still accepts. The address is the one that is dialled first.
 */
export function tcpHealth(): HealthCheck {
  return ({ node }) =>
    new Observable((subscriber) => {
      const { host, port } = node.address;
      const socket = connect({ host, port });
      socket.once('connect', () => {
        subscriber.next({ serving: true });
        subscriber.complete();
      });
      // Stays until the socket is gone: a reset after the teardown must not throw.
      socket.on('error', ({ message }) => {
        subscriber.next({ serving: false, reason: `nobody answers at ${formatAddress(node.address)}: ${message}` });
        subscriber.complete();
      });
      return () => void socket.destroy();
    });
}
