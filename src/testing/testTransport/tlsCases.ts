/** TLS and mutual TLS: who trusts whom, and what is said of it when not. */

import { equal, match, ok } from 'node:assert/strict';
import type { Channel, Transport } from '../../core/channel.js';
import { createNode } from '../../core/node.js';
import type { TransportOptions } from '../../transport/transportOptions.js';
import type { Runner } from '../runner.js';
import { createTestCertificates } from '../testCertificates.js';
import { hello } from './hello.js';
import { startTestNode } from './testNode.js';

export function tlsCases({ describe, it }: Runner, make: (options: TransportOptions) => Transport): void {
  describe('with TLS', () => {
    const { authority, node: own, client, stranger } = createTestCertificates();
    const ca = authority.cert;
    const secure = (
      title: string,
      options: TransportOptions,
      check: (channel: Channel) => Promise<void>,
      mutual = false,
    ) =>
      it(title, async () => {
        const node = await startTestNode({ tls: { ...own, ...(mutual ? { clientCa: ca } : {}) } });
        const channel = make(options).open(createNode({ address: node.address }));
        try {
          await check(channel);
        } finally {
          channel.close();
          node.kill();
        }
      });
    const works = async (channel: Channel) => {
      const call = hello(channel, { name: 'Ada' });
      equal((await call.ended).code, 'OK', call.status?.message);
    };
    const refused = (why: RegExp) => async (channel: Channel) => {
      const status = await hello(channel, { name: 'Ada' }).ended;
      equal(status.code, 'UNAVAILABLE');
      match(status.message, why);
      ok(!status.sent);
    };
    secure('a node signed by the authority given is trusted', { tls: { ca } }, works);
    secure('a name can be asked for that is not the address', { tls: { ca, serverName: 'node.test' } }, works);
    secure(
      'a certificate for another name is refused, and says so',
      { tls: { ca, serverName: 'other.test' } },
      refused(/TLS.*other\.test/s),
    );
    secure(
      'a node signed by a stranger is refused, and says so',
      { tls: { ca: stranger.cert } },
      refused(/TLS.*certificate/s),
    );
    secure('without verification any node is taken', { tls: { rejectUnauthorized: false } }, works);
    secure('a plain-text client is refused', {}, refused(/cannot connect/));
    secure('mutual TLS shows our certificate', { tls: { ca, ...client } }, works, true);
    secure(
      'a node that asks for a certificate refuses a client without',
      { tls: { ca } },
      refused(/cannot connect/),
      true,
    );
    const other = { cert: stranger.cert, key: stranger.key };
    secure(
      'a node refuses a client certificate of a stranger',
      { tls: { ca, ...other } },
      refused(/cannot connect/),
      true,
    );
  });
}
