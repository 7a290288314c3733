#!/usr/bin/env node
/** The `rxfleet` command: the library from a terminal, over its public doors only. */

import { createRequire } from 'node:module';
import { Command, InvalidArgumentError, Option } from 'commander';
import { FleetError } from '../index.js';
import { call, type CallCommandOptions } from './call.js';
import { configExplain, type ConfigExplainOptions } from './config.js';
import { demo, type DemoOptions } from './demo.js';
import { explain, type ExplainOptions } from './explain.js';
import { infer, type InferCommandOptions } from './infer.js';
import { node, type NodeCommandOptions } from './node.js';
import { nodes, type NodesOptions } from './nodes.js';
import { register, type RegisterCommandOptions } from './register.js';
import { explained, openTerminal, type Terminal } from './terminal.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
const terminal = openTerminal();

const program = new Command('rxfleet')
  .description('Finds gRPC nodes wherever they are registered, calls them, and infers over Lumen nodes.')
  .version(version)
  // So that `register --version 1.4.2` is its own.
  .enablePositionalOptions()
  .showHelpAfterError('(`rxfleet help` lists the commands)')
  .addHelpText(
    'after',
    `
Examples:
  $ rxfleet demo
  $ rxfleet nodes --watch
  $ rxfleet explain --task ocr
  $ rxfleet infer --task text_generation "Once upon a time"
  $ rxfleet infer --task ocr --file page.png --json
  $ rxfleet node --name hub-1
  $ rxfleet call --discovery etcd://127.0.0.1:2379/thumbnails demo.Greeter/SayHello '{"name":"Ada"}'
  $ rxfleet register thumbnails 10.0.0.7:50051 --registry consul://127.0.0.1:8500 --tag gpu
  $ rxfleet config explain fleet.toml

Where to look, for --discovery:
  etcd://[user:password@]host:port[,host:port]/service[?layout=flare]
  consul://host:port/service[?token=…]     dns://[resolver]/service     xds://[host:port]/service
  mdns://[service]     file:nodes.yaml     broker://host:port     host:port[,host:port]
  aio://key:secret@host:port/project/service[?env=prod]
A secret on the command line is seen by other users of the machine: a configuration or its environment hides it.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 130 interrupted.`,
  );

program
  .command('demo')
  .description('three nodes, a batch of requests, one node killed on the way: shows that nothing is lost')
  .option('--requests <n>', 'requests in the batch', count, 600)
  .option('--concurrency <n>', 'requests in flight at once', count, 16)
  .option('--json', 'the last line as JSON')
  .action((options: DemoOptions) => run((open) => demo(options, open)));

where(program.command('nodes'))
  .description('lists the nodes and what they can do')
  .option('-w, --watch', 'goes on with each change, until Ctrl-C')
  .option('--timeout <ms>', 'how long to look before the answer is "nobody"', count, 3_000)
  .option('--json', 'a JSON array; with --watch a line of JSON for each change')
  .action((options: NodesOptions) => run((open) => nodes(options, open)));

where(program.command('explain'))
  .description('who would get a call now, who else could, and why not the others')
  .option('-t, --task <name>', 'the task that the call asks for (default: any call)')
  .option('--model <id>', 'only nodes with this model')
  .option('--service <name>', 'only this service of a node')
  .option('--key <text>', 'the key of the call, for balancers that heed it')
  .option('--timeout <ms>', 'how long to look before the answer is "nobody"', count, 3_000)
  .option('--json', 'the decision as one line of JSON')
  .action((options: ExplainOptions) => run((open) => explain(options, open)));

where(program.command('infer'))
  .description('runs one task on a text, a file or stdin')
  .argument('[text]', 'the text to work on')
  .requiredOption('-t, --task <name>', 'the task, such as text_generation or ocr; `rxfleet nodes` lists them')
  .option('-f, --file <path>', 'the file to work on; - is stdin')
  .option('--mime <type>', 'the type of the input (default: by the name of the file, else text/plain)')
  .option('--model <id>', 'only on nodes with this model')
  .option('--meta <key=value>', 'an option of the task; may be repeated', collect)
  .option('--deadline <ms>', 'until when there must be an answer', count, 30_000)
  .option('-o, --output <path>', 'where to write the bytes of the result')
  .option('--json', 'each part as a line of JSON')
  .action((text: string | undefined, options: InferCommandOptions) => run((open) => infer(text, options, open)));

program
  .command('node')
  .description('runs the embedded Lumen node: embeddings, small text generation, echo')
  .option('--name <name>', 'its name on the network (default: made up)')
  .option('--host <address>', 'where to listen', '127.0.0.1')
  .option('--port <n>', 'where to listen; 0 takes any free port', port, 0)
  .addOption(
    new Option('--flavour <kind>', 'whose quirks it has').choices(['hub', 'python', 'pythonHub']).default('hub'),
  )
  .option('--no-mdns', 'is not announced')
  .option('--interface <name,...>', 'announced only there (names or addresses)', list)
  .option('--work <ms>', 'how long a request takes', whole, 0)
  .option('--concurrency <n>', 'requests that it works on at once', count, 8)
  .option('--json', 'says that it is ready as a line of JSON')
  .action((options: NodeCommandOptions) => run((open) => node(options, open)));

program
  .command('call')
  .description('calls a method of any gRPC service; its protos come by server reflection, or from files')
  .argument('<service/method>', 'such as demo.Greeter/SayHello')
  .argument('[json]', 'the request; a list for a stream of them (default: stdin, for streams a line of JSON each)')
  .option('-d, --discovery <url>', 'where to look; may be repeated', collect)
  .option('-n, --node <host:port,...>', 'nodes that need not be discovered; may be repeated', list)
  .option('-c, --config <file>', 'a configuration (TOML, YAML, JSON) in their place, with the environment over it')
  .option('--proto <file>', 'a .proto file, compiled by protoc or buf; may be repeated', collect)
  .option('-I, --proto-path <folder>', 'where imports are looked for; may be repeated', collect)
  .option('--descriptor <file>', 'a compiled set of protos')
  .option('-H, --header <name:value>', 'a header to send; may be repeated', collect)
  .option('--key <text>', 'equal keys go to one node, with a balancer that heeds them')
  .option('--deadline <ms>', 'until when the call must be over (default: 30,000; none for streams of answers)', count)
  .option('--tls', 'speaks TLS with the nodes')
  .option('--ca <file>', 'the authority that signed their certificates; implies --tls')
  .option('--json', 'each answer as one line of JSON')
  .action((target: string, json: string | undefined, options: CallCommandOptions) =>
    run((open) => call(target, json, options, open)),
  );

program
  .command('register')
  .description('announces a node in a registry until Ctrl-C, then takes it out')
  .argument('<service>', 'under which it is found')
  .argument('<host:port>', 'where it listens')
  .requiredOption('-r, --registry <url>', 'etcd://…, consul://…, aio://… or mdns://')
  .option('--id <id>', 'its identity (default: its address)')
  .option('--name <name>', 'its name (default: its id)')
  .option('--namespace <name>')
  .option('--version <version>')
  .option('--zone <name>')
  .option('--region <name>')
  .option('--weight <n>', 'its share of the traffic, relative to the others', amount)
  .option('--tag <key=value>', 'a label; may be repeated', collect)
  .option('--metadata <key=value>', 'anything else; may be repeated', collect)
  .option('--ttl <time>', 'its life without a heartbeat, such as 30s (default: that of the registry)')
  .option('--json', 'each state as a line of JSON')
  .action((service: string, address: string, options: RegisterCommandOptions) =>
    run((open) => register(service, address, options, open)),
  );

program
  .command('config')
  .description('looks at configurations')
  .command('explain')
  .description('every setting that counts, and where it came from; secrets are hidden')
  .argument('[file]', 'TOML, YAML or JSON (default: the environment alone)')
  .option('--no-env', 'leaves the RXFLEET_… variables out')
  .option('--json', 'a JSON array')
  .action((file: string | undefined, options: ConfigExplainOptions) =>
    run((open) => Promise.resolve(configExplain(file, options, open))),
  );

await program.parseAsync();

/** The options that say where the nodes are. */
function where(command: Command): Command {
  return command
    .option('-d, --discovery <url>', 'asks there and not by mDNS; may be repeated', collect)
    .option('-n, --node <host:port,...>', 'nodes that need not be discovered; may be repeated', list)
    .option('--no-mdns', 'asks nobody on the network')
    .option('--interface <name,...>', 'asks only there (names or addresses; default: all but loopback)', list);
}

async function run(command: (terminal: Terminal) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command(terminal);
  } catch (thrown) {
    // What fails because it was interrupted has not failed.
    const { aborted } = terminal.interrupted;
    if (!aborted) terminal.say(explained(FleetError.from(thrown)));
    process.exitCode = aborted ? 130 : 1;
  }
}

function list(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(',').map((item) => item.trim())];
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

function count(text: string): number {
  const value = whole(text);
  if (value < 1) throw new InvalidArgumentError('It must be at least 1.');
  return value;
}

function amount(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0) || !Number.isFinite(value))
    throw new InvalidArgumentError('It must be a number of at least 0.');
  return value;
}

function port(text: string): number {
  const value = whole(text);
  if (value > 65_535) throw new InvalidArgumentError('It must be at most 65535.');
  return value;
}
