/** The transport's options in the terms of grpc-js. */

import type { ResolvedTransportOptions } from '../transportOptions.js';
import { grpcJsCredentials, type ChannelCredentials, type ChannelOptions } from './grpcJs.js';

/** All that grpc-js does above a connection is off. */
export function channelOptions(options: ResolvedTransportOptions): ChannelOptions {
  // grpc-js adds jitter to some of these, and must stay below what a timer holds.
  const longest = 1_000_000_000;
  return {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
    // Nothing is kept for retries, so that a write ends when the wire has taken it.
    'grpc.per_rpc_retry_buffer_size': 0,
    // Dialling again is the dialer's, idling the pool's.
    'grpc.initial_reconnect_backoff_ms': longest,
    'grpc.max_reconnect_backoff_ms': longest,
    'grpc.client_idle_timeout_ms': longest,
    'grpc.max_receive_message_length': Number.isFinite(options.maxReceiveBytes) ? options.maxReceiveBytes : -1,
    'grpc.max_send_message_length': -1,
    'grpc.primary_user_agent': options.userAgent,
    ...(Number.isFinite(options.keepaliveMs)
      ? {
          'grpc.keepalive_time_ms': Math.min(options.keepaliveMs, longest),
          'grpc.keepalive_timeout_ms': Math.min(options.keepaliveTimeoutMs, longest),
          'grpc.keepalive_permit_without_calls': options.keepaliveWithoutCalls ? 1 : 0,
        }
      : {}),
    ...(options.tls?.serverName ? { 'grpc.ssl_target_name_override': options.tls.serverName } : {}),
  };
}

/** @throws Error for certificates that OpenSSL cannot read. */
export function channelCredentials({ tls }: ResolvedTransportOptions): ChannelCredentials {
  if (!tls) return grpcJsCredentials.createInsecure();
  const pem = (value: string | Uint8Array | undefined) =>
    value === undefined ? null : Buffer.from(value as Uint8Array);
  return grpcJsCredentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), {
    rejectUnauthorized: tls.rejectUnauthorized ?? true,
  });
}
