/** Our registries without a server, by the contract. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Subscription } from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { mdns } from '../../src/discovery/mdns.js';
import { mdnsRegistry } from '../../src/registration/mdns.js';
import { memoryRegistry, type MemoryRegistry } from '../../src/registration/memoryRegistry.js';
import type { Node } from '../../src/core/node.js';
import { testRegistration, type RegistrationHarness } from '../../src/testing/testRegistration.js';

function memoryHarness(): RegistrationHarness {
  const ttlMs = 300;
  let registry: MemoryRegistry;
  let reading: Subscription;
  let nodes: readonly Node[] = [];
  return {
    ttlMs,
    sweepMs: 100,
    start() {
      registry = memoryRegistry({ ttlMs });
      reading = registry.nodes$.subscribe((now) => (nodes = now));
    },
    stop: () => reading.unsubscribe(),
    registry: () => registry,
    listed: () => nodes.map(({ id, address, weight }) => ({ id, port: address.port, weight })),
    forget: (id) => registry.forget(id),
    cut: () => registry.connect(false),
    restore: () => registry.connect(true),
    unreachable() {
      const away = memoryRegistry();
      away.connect(false);
      return { registry: away, endpoint: 'memory' };
    },
  };
}

/** On loopback, on a port of its own; read by our discovery, which is proven against other responders. */
function mdnsHarness(): RegistrationHarness {
  let port = 0;
  let set: NodeSet | undefined;
  let reading: Subscription;
  return {
    async start() {
      const probe = createSocket('udp4').bind(0, '127.0.0.1');
      await once(probe, 'listening');
      ({ port } = probe.address());
      probe.close();
      set = undefined;
      reading = mdns({ interfaces: ['127.0.0.1'], port, initialWindowMs: 50 })({ service: 'rxfleet-test' }).subscribe(
        (now) => (set = now),
      );
    },
    stop: () => reading.unsubscribe(),
    registry: () => mdnsRegistry({ interfaces: ['127.0.0.1'], port, probeIntervalMs: 30, announceIntervalMs: 50 }),
    listed: () =>
      (set?.nodes ?? []).map(({ id, address, metadata }) => ({
        ...{ id, port: address.port, weight: Number(metadata.weight ?? 1) },
      })),
  };
}

testRegistration('memoryRegistry', memoryHarness());
testRegistration('mdnsRegistry', mdnsHarness());
