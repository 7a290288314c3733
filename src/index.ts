/** rxfleet: a reactive client for fleets of gRPC nodes. The headings follow the flow of a call. */

// The words
export { createNode, updateNode } from './core/node.js';
export type {
  Availability,
  Compatibility,
  Ejection,
  Health,
  Node,
  NodeFacts,
  NodeInit,
  NodeLoad,
  NodeState,
} from './core/node.js';
export { NodeSet } from './core/nodeSet.js';
export type { NodeChanges, Staleness } from './core/nodeSet.js';
export type { NodeOutcome } from './core/nodeOutcome.js';
export type { NodeStats, Outcome } from './core/nodeStats.js';
export type { LatencyWindow } from './core/latencyWindow.js';
export type { LoadReport } from './core/loadReport.js';
export type { Capability, TaskCapability } from './core/capability.js';
export { isPending, isRoutable, whyNotRoutable } from './core/isRoutable.js';
export { formatAddress, parseAddress } from './core/address.js';
export type { Address } from './core/address.js';
export { FleetError } from './core/fleetError.js';
export type { Attempt, Decision, FleetErrorOptions } from './core/fleetError.js';
export { errorCodes } from './core/errorCodes.js';
export type { Blame, FleetErrorCode, StatusName } from './core/errorCodes.js';
export { exponentialBackoff } from './core/backoff.js';
export type { Backoff, BackoffOptions } from './core/backoff.js';
export { retryBudget } from './core/retryBudget.js';
export type { RetryBudget, RetryBudgetOptions } from './core/retryBudget.js';
export { retryThrottle } from './core/retryThrottle.js';
export type { RetryThrottleOptions } from './core/retryThrottle.js';
export { tokenBucket } from './core/tokenBucket.js';
export type { TokenBucket, TokenBucketOptions } from './core/tokenBucket.js';

// discovery: where are the nodes?
export type { Discovery, DiscoveryEvent, DiscoveryQuery } from './discovery/discovery.js';
export type {
  XdsCacheState,
  XdsEvent,
  XdsResourceCount,
  XdsServerState,
  XdsState,
  XdsUpdate,
} from './discovery/xds/xdsEvent.js';
export { staticNodes } from './discovery/staticNodes.js';
export type { StaticNode, StaticNodesOptions } from './discovery/staticNodes.js';
export { mergeDiscovery } from './discovery/mergeDiscovery.js';
export { fallbackDiscovery } from './discovery/fallbackDiscovery.js';
export type { FallbackDiscoveryOptions } from './discovery/fallbackDiscovery.js';
export { cacheDiscovery } from './discovery/cacheDiscovery.js';
export type { CacheDiscoveryOptions } from './discovery/cacheDiscovery.js';
export { whereNodes } from './discovery/whereNodes.js';
export { whereNamespace } from './discovery/whereNamespace.js';
export type { WhereNamespaceOptions } from './discovery/whereNamespace.js';
export { whereVersion } from './discovery/whereVersion.js';
export type { VersionRule } from './discovery/whereVersion.js';
export type { VersionTestRule } from './discovery/versionTest.js';
export { whereTags } from './discovery/whereTags.js';
export { whereMetadata } from './discovery/whereMetadata.js';
export type { KeyedTagFilter, TagFilter } from './discovery/tagFilter.js';
export { whereZone } from './discovery/whereZone.js';
export type { WhereZoneOptions } from './discovery/whereZone.js';
export { allOf, matching } from './discovery/matching.js';
export type { Matching } from './discovery/matching.js';
export { activePriority } from './discovery/activePriority.js';
export { preferNodes } from './discovery/preferNodes.js';
export type { Choice, PreferNodesOptions } from './discovery/preferNodes.js';

// nodes: which nodes do we know now?
export { createNodeDirectory } from './nodes/nodeDirectory.js';
export type { NodeDirectory, NodeDirectoryOptions } from './nodes/nodeDirectory.js';

// health: which of them can serve?
export { activeHealth } from './health/activeHealth.js';
export type { ActiveHealthOptions } from './health/activeHealth.js';
export type { JudgedOptions } from './health/judged.js';
export { grpcHealth } from './health/grpcHealth.js';
export type { GrpcHealthOptions } from './health/grpcHealth.js';
export { tcpHealth } from './health/tcpHealth.js';
export { healthOf } from './health/healthOf.js';
export type { HealthChange } from './health/healthOf.js';
export { loadReportOf } from './health/loadReportOf.js';
export { outOfBandLoad } from './health/outOfBandLoad.js';
export type { OutOfBandLoadOptions } from './health/outOfBandLoad.js';
export type { HealthCheck, HealthTarget, NodeHealth, Verdict } from './health/healthCheck.js';
export { outlierDetection } from './health/outlierDetection.js';
export type {
  FailurePercentageOptions,
  OutlierDetectionOptions,
  SuccessRateOptions,
} from './health/outlierDetection/outlierRules.js';
export { consecutiveFailures } from './health/consecutiveFailures.js';
export type { ConsecutiveFailuresOptions } from './health/consecutiveFailures.js';
export type { EjectionTerms } from './health/ejectionTerms.js';
export type { Detector, DetectorPorts, Finding, UnenforcedReason } from './health/detector.js';
export type { EjectionBudgetOptions } from './health/ejectionBudget.js';
export type {
  DetectorInert,
  HealthChanged,
  HealthEvent,
  NodeEjected,
  NodeReadmitted,
  PanicChanged,
} from './health/healthEvent.js';
export type { PanicOptions } from './health/panic.js';
export type { SlowStartOptions } from './health/slowStart.js';

// balancer: which one takes this call?
export { roundRobin } from './balancer/roundRobin.js';
export type { RoundRobinOptions } from './balancer/roundRobin.js';
export { random } from './balancer/random.js';
export type { RandomOptions } from './balancer/random.js';
export { leastLoaded } from './balancer/leastLoaded.js';
export type { LeastLoadedOptions } from './balancer/leastLoaded.js';
export { pickFirst } from './balancer/pickFirst.js';
export type { PickFirstOptions } from './balancer/pickFirst.js';
export { leastRequest } from './balancer/leastRequest.js';
export type { LeastRequestOptions } from './balancer/leastRequest.js';
export { powerOfTwo } from './balancer/powerOfTwo.js';
export type { PowerOfTwoOptions } from './balancer/powerOfTwo.js';
export { peakEwma } from './balancer/peakEwma.js';
export type { PeakEwmaOptions } from './balancer/peakEwma.js';
export { fastestResponse } from './balancer/fastestResponse.js';
export type { FastestResponseOptions } from './balancer/fastestResponse.js';
export { weightedRoundRobin } from './balancer/weightedRoundRobin.js';
export type { BalancerEvent, LoadWeightsUpdated, LoadWeightState, NodeLoadWeight } from './balancer/balancerEvent.js';
export type { LoadReportWeights, WeightedRoundRobinOptions } from './balancer/weightedRoundRobin.js';
export { weightedRandom } from './balancer/weightedRandom.js';
export type { WeightedRandomOptions } from './balancer/weightedRandom.js';
export { consistentHash } from './balancer/consistentHash.js';
export type { ConsistentHashOptions } from './balancer/consistentHash.js';
export { ringHash } from './balancer/ringHash.js';
export type { RingHashOptions } from './balancer/ringHash.js';
export { maglev } from './balancer/maglev.js';
export type { MaglevOptions } from './balancer/maglev.js';
export type { KeyedOptions } from './balancer/keyedBalancer.js';
export { stickySessions } from './balancer/stickySessions.js';
export type { StickySessionsOptions } from './balancer/stickySessions.js';
export { randomSubset } from './balancer/randomSubset.js';
export type { RandomSubsetOptions } from './balancer/randomSubset.js';
export { splitByWeight } from './balancer/splitByWeight.js';
export type { SplitByWeightOptions } from './balancer/splitByWeight.js';
export { zoneAware } from './balancer/zoneAware.js';
export type { ZoneAwareOptions } from './balancer/zoneAware.js';
export { priorityFailover } from './balancer/priorityFailover.js';
export type { PriorityFailoverOptions } from './balancer/priorityFailover.js';
export { pickerOf } from './balancer/pickerOf.js';
export type {
  Balancer,
  BalancerPorts,
  BalancerTraits,
  Excluded,
  NoPick,
  Pick,
  PickContext,
  Picker,
  Requirement,
} from './balancer/picker.js';
export type { Candidate, LeftOut, Obstacle, Refusal, Why } from './core/why.js';

// transport: how do bytes reach it?
export type {
  ActiveCall,
  CallContext,
  CallSink,
  CallStatus,
  Channel,
  Connection,
  ConnectivityState,
  DisconnectError,
  MessageWatcher,
  Transport,
} from './core/channel.js';
export type { TlsOptions, TransportOptions } from './transport/transportOptions.js';
export type { ChannelPoolOptions } from './transport/channelPool.js';
export { methodOf } from './core/method.js';
export type { Idempotency, Method, MethodKind } from './core/method.js';
export type { Metadata, MetadataValue } from './core/metadata.js';
export { rpc } from './core/rpc.js';
export type { RpcContext } from './core/rpc.js';

// call: what happens around one call?
export { compose, perAttempt } from './call/middleware.js';
export type {
  AnyAttemptMiddleware,
  AnyMiddleware,
  AttemptCall,
  AttemptHandler,
  AttemptLayer,
  AttemptMiddleware,
  Handler,
  Layer,
  Middleware,
} from './call/middleware.js';
export type { AttemptContext, Call, CallInfo, CallInit, CallOptions, StartAttempt, StartContext } from './call/call.js';
export type { RetryOptions } from './call/retryOptions.js';
export type { RetryRefusal } from './call/retryVerdict.js';
export type { HedgeOptions } from './call/hedgeOptions.js';
export type { Continuation, Continuity, Resume, StallOptions } from './call/resume.js';
export type {
  Barred,
  BeginningAttempt,
  CallEnd,
  Entrant,
  Gate,
  GateEnd,
  NodeGate,
  Policy,
  PolicyPorts,
  RunningPolicy,
} from './call/policy.js';
export { rateLimit } from './call/rateLimit.js';
export type { RateLimitOptions } from './call/rateLimit.js';
export type { CostBy } from './call/rateLimit/rateRules.js';
export type { BucketFigures, RateReport } from './call/rateLimit/rateLanes.js';
export { concurrencyLimit } from './call/concurrencyLimit.js';
export type { ConcurrencyLimitOptions, QueueOptions } from './call/concurrencyLimit.js';
export type { PlaceFigures, PlaceReport } from './call/concurrencyLimit/placeReport.js';
export type { LimitFigures, WaitQuantiles } from './call/limitMeter.js';
export { fixedLimit } from './call/fixedLimit.js';
export { aimdLimit } from './call/aimdLimit.js';
export type { AimdLimitOptions } from './call/aimdLimit.js';
export { gradientLimit } from './call/gradientLimit.js';
export type { GradientLimitOptions } from './call/gradientLimit.js';
export { vegasLimit } from './call/vegasLimit.js';
export type { VegasLimitOptions } from './call/vegasLimit.js';
export type { Limit, LimitAlgorithm, LimitPorts, LimitSample } from './call/limit.js';
export type {
  AttemptEnded,
  AttemptReason,
  AttemptStarted,
  BreakerChanged,
  BreakerState,
  CallEnded,
  CallEvent,
  CallStarted,
  DecisionMade,
  Limited,
  Resumed,
  RetryRefused,
  RetryScheduled,
  Stalled,
} from './call/callEvent.js';
export { circuitBreaker } from './call/circuitBreaker.js';
export type { CircuitBreakerOptions } from './call/circuitBreaker.js';
export type { CircuitBreakerPolicy } from './call/circuitBreaker/breakerPolicy.js';
export type { BreakerOptions, FailureRateOptions, HalfOpenOptions } from './call/circuitBreaker/breakerOptions.js';
export type { BreakerFigures, BreakerReport } from './call/circuitBreaker/breakerFigures.js';
export { createCircuitBreaker } from './call/createCircuitBreaker.js';
export type { CircuitBreaker, CreateCircuitBreakerOptions } from './call/createCircuitBreaker.js';
export { clientPoolBreaker } from './call/clientPoolBreaker.js';
export type { ClientPoolBreakerOptions } from './call/clientPoolBreaker.js';
export { fyerBreaker } from './call/fyerBreaker.js';
export type { FyerBreakerOptions } from './call/fyerBreaker.js';
export type { AnswerSink } from './core/answerSink.js';
export type { EventSink } from './core/eventSink.js';
export type { Demand } from './core/demand.js';
export { failover } from './call/failover.js';
export { recover } from './call/recover.js';
export { trace, traceIdOf } from './call/trace.js';
export type { TraceIdHeader, TraceOptions } from './call/trace.js';
export { formatTraceparent, parseTraceparent } from './call/traceparent.js';
export type { TraceParent } from './call/traceparent.js';
export { callContext, readCallContext } from './call/callContext.js';
export type { CallContextFields } from './call/callContext.js';
export { log } from './call/log.js';
export type { Logger, LogLevel, LogOptions } from './call/log.js';
export { faultInjection } from './call/faultInjection.js';
export type { FaultInjection, FaultInjectionOptions } from './call/faultInjection.js';
export { toAsyncIterable } from './call/toAsyncIterable.js';
export type { AsyncIterableOptions } from './call/toAsyncIterable.js';
export { consume } from './call/consume.js';
export type { ConsumeOptions } from './call/consume.js';

// client: what does the user hold?
export { createFleet } from './client/fleet.js';
export type { Fleet, FleetOptions } from './client/fleet.js';
export type { Caller, CallSpec, ResumedInfo, RpcOptions } from './client/callSpec.js';
export { createClient } from './client/client.js';
export type { Client, ClientMethod, ResumeOptions } from './client/client.js';
export { createPool } from './client/pool.js';
export type { Pool, PoolClient, PoolOptions, UseOptions } from './client/pool.js';
export type { PoolAttempt } from './client/pool/poolAttempt.js';
export type { ClassifyFailure } from './client/pool/poolFailure.js';
export type { PoolMember } from './client/pool/poolMembers.js';
export type { CloseOptions, EngineOptions, LiveNodes, MethodOptions } from './client/engineOptions.js';
export type { ReadyOptions } from './client/ready.js';
export type { Selection, SelectOptions } from './client/select.js';
export type {
  ConnectFailed,
  ConnectionChanged,
  DiscoveryHappened,
  FleetEvent,
  XdsHappened,
} from './client/fleetEvent.js';
export type { BalancerFigures, CallFigures, FleetSnapshot, NodeFigures, Quantiles } from './client/fleetSnapshot.js';
