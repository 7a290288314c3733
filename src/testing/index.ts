/** `rxfleet/testing`: how others prove theirs. */

// Virtual time
export { marble } from './marble.js';
export type { MarbleHelpers, MarbleOptions } from './marble.js';
export type { PickEvent } from './marble/pickEvent.js';

// What was run, as pictures
export { drawMarbles } from './marble/drawMarbles.js';
export type { MarblePicture } from './marble/drawMarbles.js';
export { marblePage } from './marble/marblePage.js';
export type { MarblePageOptions } from './marble/marblePage.js';
export { marbleSvg } from './marble/picture/marbleSvg.js';
export type { MarbleSvgOptions } from './marble/picture/marbleSvg.js';
export type {
  DrawnNode,
  DrawnPick,
  Letters,
  MarbleRecord,
  MarbleRow,
  Mark,
  NodesRow,
  PicksRow,
  ResultRow,
  SourceRow,
  SourceRun,
  Span,
  SubscriptionsRow,
} from './marble/marbleRecord.js';

// The contracts, as suites
export { testDiscovery } from './testDiscovery.js';
export type { DiscoveryHarness, TestDiscoveryOptions, TestNode } from './testDiscovery.js';
export { watchGuarantees } from './watchGuarantees.js';
export type { SourceState, WatchEvidence, WatchVerdict } from './watchGuarantees.js';
export { testTransport } from './testTransport.js';
export type { TestTransportOptions, TransportFeature } from './testTransport.js';
export { testBalancer } from './testBalancer.js';
export type { TestBalancerOptions } from './testBalancer.js';
export type { BalancerClaims } from './testBalancer/balancerClaims.js';
export { testRegistration } from './testRegistration.js';
export type { ListedNode, RegistrationHarness, TestRegistrationOptions } from './testRegistration.js';
export type { Runner } from './runner.js';

// A node to talk to
export { startLumenNode } from './lumenNode.js';
export type {
  LoggedCall,
  LumenFaults,
  LumenFlavour,
  LumenNode,
  LumenNodeOptions,
  NodeService,
  NodeTask,
  TaskInput,
  TaskOutput,
} from './lumenNode.js';
