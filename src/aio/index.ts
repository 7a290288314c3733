/** `rxfleet/aio`: everything that AIO's own SDK gives, and a fleet over it. */

// The client
export { createAioClient } from './createAioClient.js';
export type {
  AioAuth,
  AioClient,
  AioClientOptions,
  AioDiscoveryClient,
  AioEvent,
  AioFleetOptions,
  AioSelf,
  AioSelfOptions,
} from './createAioClient.js';
export type { AioAccessOptions } from '../discovery/aio/aioAccessOptions.js';
export type { AioPollOptions } from '../discovery/aio/serviceLists.js';

// Its registry
export type { AioId, AioInstanceInit, AioRegistryClient, AioServiceInit } from './registryClient.js';
export type { AioEndpoint, AioInstance, AioNetwork, AioService } from '../discovery/aio/aioInstance.js';

// Its picks
export type { AioPick, AioCoolingOptions } from './instancePicks.js';
export { aioAddresses } from '../discovery/aio/nodeOfInstance.js';
export type { AioAddressOptions } from '../discovery/aio/nodeOfInstance.js';

// Its discovery alone; its registry alone is `rxfleet/registration/aio`
export { aio } from '../discovery/aio.js';
export type { AioOptions } from '../discovery/aio.js';
export type { AioDiscoveryOptions } from '../discovery/aio/aioDiscovery.js';
export type { AioRegistrationOptions } from '../registration/aio/aioRegistryOver.js';
