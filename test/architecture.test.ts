/** The rules of the layout, held over the text of `src/`. An exception stands in a table here, with its reason. */

import { codeOf, doors, has, isTypesOnly, readSource, type SourceFile } from './support/source.js';

/** The flow is the layout: a folder imports only from folders above it, from `core/`, from itself and from `gen/`. */
const layers =
  'core balancer transport call auth discovery nodes health client lumen registration aio config metrics cli testing'.split(
    ' ',
  );

/** The packages that cost something to load, and who may. `import type` is free. */
const heavy: Readonly<Record<string, readonly string[]>> = {
  // Of the tests' servers, too.
  '@grpc/grpc-js': ['transport/grpc/grpcJs.ts', 'testing/grpcServer.ts'],
  // fleet.transport() loads it when a call fails: who makes such calls has it already.
  '@connectrpc/connect': ['transport/connect/connectFailure.ts', 'client/asConnectTransport.ts'],
  '@connectrpc/connect-node': ['transport/connect/connectClient.ts'],
  'multicast-dns': ['discovery/mdns/socket.ts'],
  // Its types alone.
  yaml: ['discovery/file/parseDocument.ts'],
  'smol-toml': ['discovery/file/parseDocument.ts'],
  ws: ['discovery/broker/brokerSocket.ts'],
  'dns-packet': ['discovery/dns/message.ts'],
  'prom-client': ['metrics/prometheus/registry.ts'],
  '@opentelemetry/api': ['metrics/otel/otelApi.ts'],
  commander: ['cli/main.ts'],
};

/** Who owns a subscription, by what ends it. Everyone else returns Observables. `cli/` and `testing/` are programs. */
const subscribers: Readonly<Record<string, readonly string[]>> = {
  'an operator written from scratch: unsubscribing from it ends what it subscribed to': [
    'balancer/grouped.ts',
    'balancer/fastestResponse.ts',
    'balancer/narrowed.ts',
    'call/nodeWait.ts',
    'call/startWithin.ts',
    'call/callSurface.ts',
    'call/consume.ts',
    'call/intoSink.ts',
    'call/observedStart.ts',
    'client/pool/poolMembers.ts',
    'client/stateEvents.ts',
    'core/linked.ts',
    'core/sendAll.ts',
    'discovery/cacheDiscovery.ts',
    'discovery/etcd/watchRange.ts',
    'discovery/fallbackDiscovery/succession.ts',
    'discovery/file.ts',
    'discovery/mdns/browse.ts',
    'discovery/xds/adsStream.ts',
    'discovery/mergeDiscovery.ts',
    'discovery/staticNodes.ts',
    'health/consecutiveFailures.ts',
    'health/healthOf.ts',
    'health/slowStart.ts',
    'lumen/assembleParts.ts',
    'lumen/cooldown.ts',
    'lumen/handshake.ts',
    'lumen/inferMeter.ts',
    'lumen/runAll.ts',
    'discovery/reconnecting.ts',
    'registration/mdns/announce.ts',
    'registration/registerAndDiscover/refreshed.ts',
  ],
  'a thing with a life: its close(), or its return(), ends it': [
    'auth/createCredentials/keyring.ts',
    'call/toAsyncIterable.ts',
    'client/engine.ts',
    'client/pickers.ts',
    'client/pool.ts',
    'discovery/cacheDiscovery/cacheWriter.ts',
    'discovery/mdns/group.ts',
    'lumen/balancerStats.ts',
    'lumen/createLumenClient.ts',
    'metrics/otel/openTelemetry.ts',
    'metrics/prometheus/prometheusMetrics.ts',
    'metrics/prometheus/pusher.ts',
    'nodes/nodeDirectory.ts',
    'registration/aio/heartbeats.ts',
    'registration/etcd/keepAlives.ts',
    'registration/etcd/putInEtcd.ts',
    'registration/mdns/announcedLease.ts',
    'registration/mdns/responder.ts',
    'registration/register/exchanges.ts',
    'registration/register/keeper.ts',
    'transport/channelPool.ts',
    'transport/poolSlot.ts',
  ],
};

/** Files that are proven by the cases of another: the proof, and whose. A part of one single file is proven by its twin. */
const provenBy: Readonly<Record<string, readonly string[]>> = {
  'marbles/balancer/random.marbles.ts': ['balancer/drawExcept.ts'],
  'marbles/call/attemptRun.marbles.ts': [
    'call/attemptEvents.ts',
    'call/call.ts',
    'call/messageCount.ts',
    'call/nobody.ts',
  ],
  'marbles/call/callRun.marbles.ts': [
    'call/guardedPick.ts',
    'call/hedgeDelay.ts',
    'call/hedgeOptions.ts',
    'call/policy.ts',
  ],
  'marbles/call/trace.marbles.ts': ['call/traceparent.ts'],
  'test/client/pool.test.ts': ['call/intoSink.ts'],
  'marbles/call/retry.marbles.ts': ['call/retryOptions.ts', 'call/retryVerdict.ts'],
  'marbles/call/rateLimit.marbles.ts': ['call/limitMeter.ts'],
  'marbles/health/activeHealth.marbles.ts': ['health/healthCheck.ts'],
  'marbles/transport/channelPool.marbles.ts': ['transport/pooledConnection.ts'],
  'test/balancer/conformance.test.ts': [
    'testing/assertShares.ts',
    'testing/runner.ts',
    'testing/seededRandom.ts',
    'testing/testBalancer.ts',
    'testing/testBalancer/bed.ts',
    'testing/testBalancer/nodes.ts',
  ],
  'test/balancer/models.test.ts': ['balancer/nodeDraw.ts', 'balancer/passedOver.ts', 'balancer/recentTime.ts'],
  'test/balancer/consistentHash.test.ts': ['balancer/hashRing.ts', 'balancer/murmur3.ts'],
  'test/balancer/keyedBalancer.test.ts': ['balancer/loadJournal.ts'],
  'test/balancer/maglev.test.ts': ['balancer/hashKey.ts'],
  'test/balancer/stickySessions.test.ts': ['balancer/shownNode.ts'],
  'test/balancer/splitByWeight.test.ts': ['balancer/accountedPick.ts'],
  'test/balancer/strategy.test.ts': ['balancer/candidates.ts', 'balancer/turn.ts'],
  'test/balancer/loadReports.test.ts': ['core/stopwatch.ts'],

  'test/balancer/weights.test.ts': ['balancer/aliasTable.ts', 'balancer/creditRing.ts', 'balancer/sameWeights.ts'],
  'test/call/limit.test.ts': ['call/fixedLimit.ts'],
  'test/cli/main.test.ts': ['cli/lumenOf.ts', 'cli/terminal.ts'],
  'test/cli/register.test.ts': ['cli/keyed.ts'],
  'test/config/backends.test.ts': ['config/backend.ts', 'config/backendUrl.ts', 'config/urlParts.ts'],
  'test/config/createFleetFromConfig.test.ts': ['config/discoveryOf.ts'],
  'test/config/fleetConfig.test.ts': ['config/configSource.ts', 'config/readConfig.ts', 'config/tls.ts'],
  'test/client/fleet.test.ts': [
    'call/middleware.ts',
    'client/client.ts',
    'client/engine.ts',
    'client/engineOptions.ts',
  ],
  'test/client/observing.test.ts': ['client/fleetSnapshot.ts', 'client/layers.ts', 'client/stateEvents.ts'],
  'test/metrics/xdsRecorder.test.ts': ['client/xdsStates.ts'],
  'test/discovery/conformance.test.ts': ['testing/testDiscovery.ts'],
  'test/discovery/whereVersion.test.ts': ['discovery/versionTest.ts'],
  'test/examples/virtualTime.ts': ['testing/marble.ts'],
  'test/health/ejections.test.ts': ['health/ejectionBudget.ts'],
  'test/health/ejectionTerms.test.ts': ['core/requireDuration.ts'],
  'test/lumen/createLumenClient.test.ts': ['lumen/inference.ts'],
  'test/lumen/faults.test.ts': ['lumen/answerError.ts'],
  'test/metrics/prometheus/calls.test.ts': [
    'metrics/callRecorder.ts',
    'metrics/counts.ts',
    'metrics/isFailover.ts',
    'metrics/methodTable.ts',
    'metrics/metric.ts',
    'metrics/nodeAttributes.ts',
    'metrics/recorder.ts',
    'metrics/statusOf.ts',
  ],
  'test/metrics/prometheus/fleetEvents.test.ts': [
    'metrics/connectionRecorder.ts',
    'metrics/ejectionRecorder.ts',
    'metrics/fleetRecorder.ts',
    'metrics/followNodes.ts',
    'metrics/snakeCase.ts',
  ],
  'test/metrics/prometheus/names.test.ts': ['metrics/grpcMetrics.ts'],
  'test/registration/conformance.test.ts': ['testing/testRegistration.ts'],
  'test/testing/greeter.test.ts': ['testing/grpcServer.ts', 'testing/serverCall.ts'],
  'test/transport/grpc.test.ts': [
    'testing/testTransport.ts',
    'testing/testTransport/hello.ts',
    'testing/testTransport/recordedCall.ts',
    'testing/testTransport/testNode.ts',
    'testing/testTransport/until.ts',
    'transport/tooLong.ts',
    'testing/testTransport/world.ts',
    'transport/authorityOf.ts',
    'transport/dialFailure.ts',
    'transport/dialer.ts',
    'transport/transportOptions.ts',
    'transport/waitingCall.ts',
  ],
};

/** Chief exports that do not bear the name of their file. */
const namedOtherwise: Readonly<Record<string, string>> = {
  // The door bears the name of its protocol, as all of its kind do; DNS-SD calls what it does to advertise.
  'registration/mdns.ts': 'advertise',
  // The project writes its name out.
  'metrics/otel.ts': 'openTelemetry',
};

/** Promises below the surface: only where the language asks for one. */
const promisesAllowed: Readonly<Record<string, string>> = {
  'call/toAsyncIterable.ts': 'an AsyncIterator answers in promises',
};

/** Folders and files where real time is at home. */
const clocksAllowed: Readonly<Record<string, string>> = {
  'discovery/mdns/socket.ts': 'a socket answers in a later turn of the event loop',
  'core/stopwatch.ts': 'the one place where real latencies are measured, and only under the real scheduler',
};
const edges = ['transport', 'cli', 'testing'];

const clocks =
  /\b(?:Date\.now|setTimeout|setInterval|setImmediate|queueMicrotask|process\.(?:hrtime|nextTick)|performance\.now)\b|\bnew Date\(|\bDate\(|\bMath\.random\(/;
const promises = /\basync\b|\bawait\b|\bnew Promise\b|\bPromise\.\w/;

const files = readSource();
const ours = files.filter(({ folder }) => folder !== 'gen');
const byPath = new Map(files.map((file) => [file.path, file]));
const publicDoors = new Set(doors().values());
const isIndex = ({ path }: SourceFile) => /(^|\/)index\.ts$/.test(path);
const stem = (path: string) => path.replace(/^.*\//, '').replace(/\.ts$/, '');
const relativeImports = (file?: SourceFile) => file?.imports.filter(({ relative }) => relative) ?? [];
const under = (...folders: string[]) => ours.filter(({ folder }) => folders.includes(folder));

/**
 * A twin of its own; or that of the file or the folder that it is a part of, as `transport/grpc/x.ts` is of
 * `transport/grpc`; or that of the one file that imports it; or a proof that the table names.
 */
function isProven(path: string, trail: readonly string[] = []): boolean {
  if (Object.entries(provenBy).some(([proof, files]) => files.includes(path) && has(proof))) return true;
  const names = path.replace(/\.ts$/, '').split('/');
  const twins = names.slice(1).flatMap((_, i) => {
    const name = names.slice(0, i + 2).join('/');
    return [`marbles/${name}.marbles.ts`, `test/${name}.test.ts`, `test/${name}`, `marbles/${name}`];
  });
  if (twins.some(has)) return true;
  const users = ours.filter((file) => !isIndex(file) && relativeImports(file).some(({ target }) => target === path));
  return users.length === 1 && !trail.includes(path) && isProven(users[0]!.path, [...trail, path]);
}

/** Each breach as `file: what`, so that a failure lists them all. */
function breaches(of: readonly SourceFile[], find: (file: SourceFile) => Iterable<string> | boolean): string[] {
  return of.flatMap((file) => {
    const found = find(file);
    return typeof found === 'boolean' ? (found ? [file.path] : []) : [...found].map((what) => `${file.path}: ${what}`);
  });
}

/** `path` and all that loading it loads at once. */
function loadedBy(path: string): ReadonlySet<string> {
  const loaded = new Set<string>();
  const load = (target: string) => {
    if (loaded.has(target)) return;
    loaded.add(target);
    for (const { target: next, typeOnly, lazy } of byPath.get(target)?.imports ?? [])
      if (!typeOnly && !lazy) load(next);
  };
  load(path);
  return loaded;
}

describe('the reading of the source', () => {
  it('sees code and not what is said about it', () => {
    const text =
      "a(/['`]/); // setTimeout\n/* Date.now */ b('new Date('); c(`${Math.random()}`); d = e / f; g(\"it's\");";
    expect(codeOf(text)).toBe("a(''); \n b(''); c(`${Math.random()}`); d = e / f; g('');");
  });
});

describe('the layout', () => {
  it('has only the folders of the plan, so that each file answers the one question of its folder', () => {
    expect(breaches(ours, ({ folder, path }) => path !== 'index.ts' && !layers.includes(folder))).toEqual([]);
  });

  it('imports only upwards, so that a layer can be understood without those below it', () => {
    const forbidden = (file: SourceFile) =>
      relativeImports(file)
        .map(({ target }) => ({ target, folder: target.includes('/') ? target.split('/')[0]! : '' }))
        .filter(({ target, folder }) => {
          if (folder === file.folder || folder === 'gen') return false;
          if (file.folder === '') return folder === 'cli' || folder === 'testing';
          if (file.folder === 'cli') return !publicDoors.has(target);
          if (file.folder === 'testing' && folder === 'cli') return true;
          return !layers.includes(folder) || layers.indexOf(folder) > layers.indexOf(file.folder);
        })
        .map(({ target }) => target);
    expect(breaches(files, forbidden)).toEqual([]);
  });

  it('has no cycle of imports, so that no file needs itself to be loaded', () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (path: string, trail: readonly string[]) => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      if (done.has(path)) return;
      done.add(path);
      for (const { target } of relativeImports(byPath.get(path))) walk(target, [...trail, path]);
    };
    for (const { path } of files) walk(path, []);
    expect(cycles).toEqual([]);
  });

  it('loads each heavy package from one file, so that who does not use it does not pay for it', () => {
    const importers = (name: string) =>
      ours.filter(({ imports }) => imports.some(({ target, typeOnly }) => target === name && !typeOnly));
    for (const [name, allowed] of Object.entries(heavy)) {
      expect(
        importers(name).map(({ path }) => path),
        name,
      ).toEqual([...allowed].sort());
    }
    // semver, of which two submodules are loaded, is small enough for the main door.
    const known = new Set(['rxjs', '@bufbuild/protobuf', 'semver', ...Object.keys(heavy)]);
    const foreign = ours.filter(({ folder }) => folder !== 'cli' && folder !== 'testing');
    const unknown = ({ imports }: SourceFile) =>
      imports.filter(({ target, relative }) => !relative && !known.has(target) && !target.startsWith('node:'));
    expect(breaches(foreign, (file) => unknown(file).map(({ target }) => target))).toEqual([]);
  });

  it('loads nothing heavy through the main door', () => {
    const loaded = loadedBy('index.ts');
    expect([...loaded].filter((target) => target in heavy)).toEqual([]);
  });
});

describe('the code', () => {
  it('takes time and chance as arguments, so that the whole client runs on virtual time', () => {
    const timed = ours.filter(({ folder, path }) => !edges.includes(folder) && !(path in clocksAllowed));
    expect(breaches(timed, ({ code }) => code.match(new RegExp(clocks, 'g')) ?? [])).toEqual([]);
  });

  it('makes no promise below the surface, so that no turn of the event loop hides in a call', () => {
    const found = under('core', 'nodes', 'health', 'balancer', 'call').filter(({ path }) => !(path in promisesAllowed));
    expect(breaches(found, ({ code }) => code.match(new RegExp(promises, 'g')) ?? [])).toEqual([]);
  });

  it('subscribes only where a life is owned, so that nothing runs on after its user has gone', () => {
    const libraries = ours.filter(({ folder }) => folder !== 'cli' && folder !== 'testing');
    const found = libraries
      .filter(({ code }) => /\.subscribe\(|\b(linked|intoSink)[<(]/.test(code))
      .map(({ path }) => path);
    expect(found).toEqual(Object.values(subscribers).flat().sort());
  });

  it('has a marble or test for each file that runs', () => {
    const alone = ours.filter((file) => !isTypesOnly(file) && !isIndex(file) && !isProven(file.path));
    expect(alone.map(({ path }) => path)).toEqual([]);
  });
});

describe('the names', () => {
  it('names the chief export of a file like the file, so that who knows the one finds the other', () => {
    const passedOn = new Set(ours.filter(isIndex).flatMap(({ imports }) => imports.map(({ target }) => target)));
    const chief = ({ path, exports }: SourceFile) => {
      const name = (namedOtherwise[path] ?? stem(path)).toLowerCase();
      return exports
        .map((each) => each.toLowerCase())
        .some((each) => {
          return passedOn.has(path) ? each === name : each.includes(name);
        });
    };
    const named = ours.filter((file) => !isIndex(file) && file.path !== 'cli/main.ts');
    expect(breaches(named, (file) => !chief(file))).toEqual([]);
  });

  it('exports by name only', () => {
    expect(breaches(ours, ({ code }) => code.match(/\bexport\s+(?:\*|default\b)|\bas default\b/g) ?? [])).toEqual([]);
  });

  it('has no drawer for what has no name', () => {
    const drawers = /^(utils?|helpers?|common|misc|shared|types|interfaces|I[A-Z].*)$|Manager$|Impl$|Helpers?$|Utils?$/;
    expect(breaches(ours, ({ path }) => drawers.test(stem(path)))).toEqual([]);
    expect(breaches(ours, ({ exports }) => exports.filter((name) => /Manager$|Impl$/.test(name)))).toEqual([]);
  });

  it('keeps its index files free of logic', () => {
    const reExport = /export\s+(?:type\s+)?\{[^}]*\}\s*from\s*''\s*;?/g;
    expect(breaches(ours.filter(isIndex), ({ code }) => code.replace(reExport, '').trim() !== '')).toEqual([]);
  });

  it('has a reason for each exception that still stands', () => {
    const excepted = [
      ...Object.keys({ ...namedOtherwise, ...promisesAllowed, ...clocksAllowed }),
      ...Object.values(provenBy).flat(),
    ];
    expect(excepted.filter((path) => !byPath.has(path))).toEqual([]);
  });
});
