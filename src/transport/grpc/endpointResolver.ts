/** Hands the address of a channel to grpc-js as it is: IPv6 zones and host names pass, and no family is sorted out. */

import { grpcJsExperimental as experimental, type ChannelOptions } from './grpcJs.js';

/** The scheme of targets that it resolves; whoever has no stream yet names its target as its peer. */
export const scheme = 'rxfleet';

/** The option that holds the address. grpc-js keeps options of this prefix to the channel itself. */
export const endpointOption = 'grpc.internal.no_subchannel.rxfleet';

let registered = false;

/** Tells grpc-js of it, once; nothing is registered at import time. */
export function registerEndpointResolver(): void {
  if (registered) return;
  registered = true;
  experimental.registerResolver(scheme, EndpointResolver);
}

class EndpointResolver implements experimental.Resolver {
  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return path;
  }

  #told = false;

  constructor(
    _target: experimental.GrpcUri,
    private readonly listener: experimental.ResolverListener,
    private readonly options: ChannelOptions,
  ) {}

  updateResolution(): void {
    if (this.#told) return;
    this.#told = true;
    const endpoints = [{ addresses: [this.options[endpointOption] as experimental.SubchannelAddress] }];
    // A channel that was closed meanwhile must not hear of an address, or it dials after its end.
    process.nextTick(() => this.#told && this.listener(experimental.statusOrFromValue(endpoints), {}, null, ''));
  }

  destroy(): void {
    this.#told = false;
  }
}
