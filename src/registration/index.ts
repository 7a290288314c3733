/** `rxfleet/registration`: how we announce ourselves, whatever the registry. */

export { register } from './register.js';
export type { RegisterOptions } from './register.js';
export type { Registration, RegistrationEvent } from './registration.js';
export type { Lease, Registry } from './registry.js';

// With a fleet of the peers
export { quickBuild, registerAndDiscover } from './registerAndDiscover.js';
export type { RegisterAndDiscoverOptions, RegisteredFleet } from './registerAndDiscover.js';

// The way out
export { gracefulExit } from './gracefulExit.js';
export type { ExitStep, GracefulExitOptions } from './gracefulExit.js';

// Within one process
export { memoryRegistry } from './memoryRegistry.js';
export type { MemoryRegistry, MemoryRegistryOptions } from './memoryRegistry.js';
