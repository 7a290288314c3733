/** One grpc-js channel to one address, and the calls on it. */

import type { Address } from '../../core/address.js';
import { authorityOf } from '../authorityOf.js';
import type { Session } from '../dialer.js';
import type { SessionCall } from '../sessionCall.js';
import type { ResolvedTransportOptions } from '../transportOptions.js';
import { channelOptions } from './channelOptions.js';
import { endpointOption, scheme } from './endpointResolver.js';
import { GrpcJsChannel, GrpcJsState, type ChannelCredentials } from './grpcJs.js';

export class GrpcSession implements Session {
  readonly calls = new Set<SessionCall>();
  readonly channel: GrpcJsChannel;
  /** As `host:port`, or what the user named it by. */
  readonly authority: string;
  readonly #hangUp = new AbortController();
  #retired: (() => void) | undefined;

  constructor(address: Address, options: ResolvedTransportOptions, credentials: ChannelCredentials) {
    this.authority = authorityOf(address);
    this.channel = new GrpcJsChannel(`${scheme}:${this.authority}`, credentials, {
      ...channelOptions(options),
      // net.connect takes these as they are; the signal ends the socket even where TCP would go on trying.
      [endpointOption]: { host: address.host, port: address.port, signal: this.#hangUp.signal },
    });
  }

  retire(ended: () => void): void {
    // The calls that have a stream keep it; those that have none end unsent.
    this.channel.close();
    this.#retired = ended;
    this.#endWhenEmpty();
  }

  forget(call: SessionCall): void {
    this.calls.delete(call);
    if (this.#retired) this.#endWhenEmpty();
  }

  close(): void {
    this.#retired = undefined;
    for (const call of this.calls) call.abandon();
    const connecting = this.channel.getConnectivityState(false) === GrpcJsState.CONNECTING;
    this.channel.close();
    // RST_STREAM and GOAWAY get a moment to leave; a node that does not answer must not keep the socket.
    if (connecting) this.#hangUp.abort();
    else this.#hangUpLater();
  }

  #endWhenEmpty(): void {
    if (this.calls.size > 0) return;
    this.#retired?.();
    this.#retired = undefined;
    this.#hangUpLater();
  }

  #hangUpLater(): void {
    setTimeout(() => this.#hangUp.abort(), hangUpMs).unref();
  }
}

const hangUpMs = 500;
