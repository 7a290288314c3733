/** The mDNS peers of the tests, from Debian: avahi-daemon with its tools, and python3-zeroconf. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debian, type DebianRoot } from './debian.js';
import { createHost, type Host, type HostProcess } from './netns.js';

export interface Avahi {
  readonly daemon: HostProcess;
  /** `avahi-publish -s …`, once it is established. */
  publish(name: string, type: string, port: number, ...txt: readonly string[]): Promise<HostProcess>;
  /** `avahi-browse -rpt`: one line for each instance and interface that is resolved now. */
  browse(type: string): Promise<readonly string[]>;
  /** `avahi-browse -rp`, which goes on. */
  watch(type: string): HostProcess;
  close(): Promise<void>;
}

/** What the suites need; throws an Error that says in one line why it is not to be had. */
export async function mdnsPeers(): Promise<DebianRoot> {
  const probe = await createHost('probe');
  await probe.close();
  return debian(
    ['avahi-daemon', 'avahi-utils', 'dbus', 'python3-zeroconf'],
    ['avahi-daemon', 'avahi-publish', 'avahi-browse', 'dbus-daemon', 'python3'],
    ['usr/lib/python3/dist-packages/zeroconf/__init__.py'],
  );
}

/** python-zeroconf alone, which needs no namespaces; or why it is not to be had, as `peersOrReason` tells it. */
export function zeroconfOrReason(): Promise<DebianRoot | string> {
  const file = 'usr/lib/python3/dist-packages/zeroconf/__init__.py';
  return orReason('python-zeroconf', () => debian(['python3-zeroconf'], ['python3'], [file]));
}

/**
 * Why avahi and zeroconf cannot be had here, in one line; the programs when they can. With CI=true that is an error,
 * since there they must be.
 */
export function peersOrReason(): Promise<DebianRoot | string> {
  return orReason('avahi and zeroconf peers', mdnsPeers);
}

async function orReason(what: string, find: () => Promise<DebianRoot>): Promise<DebianRoot | string> {
  try {
    return await find();
  } catch (error) {
    const reason = `${what}: skipped, ${(error as Error).message.replace(/\s+/g, ' ')}`;
    if (process.env.CI === 'true') throw new Error(reason);
    console.warn(reason);
    return reason;
  }
}

const busConfig = (folder: string) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <pidfile>${folder}/bus.pid</pidfile>
  <policy context="default">
    <allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/>
  </policy>
</busconfig>
`;

/** An avahi-daemon on this host, on all its interfaces, or on those given. */
export async function startAvahi(host: Host, peers: DebianRoot, interfaces?: string): Promise<Avahi> {
  const folder = mkdtempSync(join(tmpdir(), 'rxfleet-avahi-'));
  writeFileSync(join(folder, 'bus.conf'), busConfig(folder));
  const only = interfaces ? `allow-interfaces=${interfaces}\n` : '';
  writeFileSync(
    join(folder, 'avahi.conf'),
    `[server]\nhost-name=${host.name}\nenable-dbus=yes\nuse-ipv6=yes\n${only}\n[wide-area]\nenable-wide-area=no\n[publish]\n`,
  );
  // The daemon looks its user up, even when it is told to stay root.
  await host.exec('sh', [
    '-c',
    `grep -q ^avahi: /etc/passwd || { { cat /etc/passwd; echo avahi:x:0:0::/run:/bin/false; } > /run/passwd; ` +
      `{ cat /etc/group; echo avahi:x:0:; } > /run/group; ` +
      `mount --bind /run/passwd /etc/passwd; mount --bind /run/group /etc/group; }`,
  ]);
  const bus = host.spawn(
    peers.program('dbus-daemon'),
    [`--config-file=${join(folder, 'bus.conf')}`, '--nofork', '--print-address'],
    peers.env,
  );
  await bus.line((line) => line.startsWith('unix:'));
  const daemon = host.spawn(
    peers.program('avahi-daemon'),
    ['--no-drop-root', '--no-chroot', '--no-rlimits', '-f', join(folder, 'avahi.conf')],
    peers.env,
  );
  await daemon.line((line) => line.includes('Server startup complete'));
  return {
    daemon,
    async publish(name, type, port, ...txt) {
      const args = ['-s', name, type, String(port), ...txt];
      const program = host.spawn(peers.program('avahi-publish'), args, peers.env);
      await program.line((line) => line.startsWith('Established'));
      return program;
    },
    async browse(type) {
      const text = await host.exec(peers.program('avahi-browse'), ['-rpt', type], peers.env);
      return text.split('\n').filter((line) => line.startsWith('='));
    },
    watch: (type) => host.spawn(peers.program('avahi-browse'), ['-rp', type], peers.env),
    async close() {
      await daemon.kill();
      await bus.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const zeroconfScript = `
import json, socket, sys
from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf
zc = Zeroconf(interfaces=[sys.argv[2]])
kind = '_' + (sys.argv[4] if len(sys.argv) > 4 else 'lumen') + '._tcp.local.'
def say(**what): print(json.dumps(what), flush=True)
if sys.argv[1] == 'browse':
    class Listener(ServiceListener):
        def tell(self, event, name):
            info = zc.get_service_info(kind, name, timeout=3000)
            if info: say(event=event, name=name, server=info.server, port=info.port, addresses=info.parsed_addresses(),
                         txt={k.decode(): v and v.decode() for k, v in info.properties.items()})
        def add_service(self, zc, t, name): self.tell('add', name)
        def update_service(self, zc, t, name): self.tell('update', name)
        def remove_service(self, zc, t, name): say(event='remove', name=name)
    browser = ServiceBrowser(zc, kind, Listener())
    say(event='ready')
    sys.stdin.read()
else:
    def info(spec): return ServiceInfo(kind, spec['name'] + '.' + kind, addresses=[socket.inet_aton(a) for a in spec['addresses']],
                       port=spec['port'], properties=spec['txt'], server=spec['server'],
                       host_ttl=spec.get('ttl', 120), other_ttl=spec.get('ttl', 4500))
    live = {}
    def handle(line):
        name, spec = next(iter(json.loads(line).items()))
        known = live.get(name)
        if spec is None:
            zc.unregister_service(live.pop(name)); say(event='unregistered', name=name)
            return
        live[name] = info(spec)
        if known: zc.update_service(live[name])
        else: zc.register_service(live[name], cooperating_responders=True)
        say(event='updated' if known else 'registered', name=name)
    for line in sys.stdin:
        if line.strip() == 'stop': break
        handle(line)
    for each in live.values(): zc.unregister_service(each)
zc.close()
`;

/** What python-zeroconf announces, in the form of Lumen's Python servers. */
export interface ZeroconfService {
  readonly name: string;
  readonly server: string;
  readonly addresses: readonly string[];
  readonly port: number;
  readonly txt: Readonly<Record<string, string>>;
  /** Life of every record, in seconds. Default: 120 and 4,500. */
  readonly ttl?: number;
}

type Spawn = (command: string, args: readonly string[], env: NodeJS.ProcessEnv) => HostProcess;

function python(spawn: Spawn, peers: DebianRoot, ...args: readonly string[]): HostProcess {
  // The system's own, for which its packages are made; another may stand first on PATH.
  const interpreter = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : peers.program('python3');
  return spawn(interpreter, ['-c', zeroconfScript, ...args], peers.env);
}

/** A python-zeroconf that announces what it is told to. */
export interface Zeroconf {
  readonly process: HostProcess;
  /** Announces, or updates what it announces under that name; done when it is told to the network. */
  tell(service: ZeroconfService): Promise<void>;
  /** Says goodbye. */
  withdraw(name: string): Promise<void>;
}

/** A python-zeroconf on the interface of this address; `spawn` says on which host. */
export function startZeroconf(spawn: Spawn, peers: DebianRoot, address: string, service = 'lumen'): Zeroconf {
  const program = python(spawn, peers, 'publish', address, '', service);
  const command = async (name: string, spec: ZeroconfService | null): Promise<void> => {
    const before = program.lines.length;
    let index = 0;
    program.write(JSON.stringify({ [name]: spec }));
    await program.line((line) => index++ >= before && line.startsWith('{"event"'));
  };
  return {
    process: program,
    tell: (service) => command(service.name, service),
    withdraw: (name) => command(name, null),
  };
}

/** Announces one service with python-zeroconf. */
export async function zeroconfPublish(
  host: Host,
  peers: DebianRoot,
  address: string,
  service: ZeroconfService,
): Promise<Zeroconf> {
  const zeroconf = startZeroconf(host.spawn, peers, address);
  await zeroconf.tell(service);
  return zeroconf;
}

/** Browses with python-zeroconf: JSON lines. */
export async function zeroconfBrowse(host: Host, peers: DebianRoot, address: string): Promise<HostProcess> {
  const program = python(host.spawn, peers, 'browse', address);
  await program.line((line) => line.includes('ready'));
  return program;
}
