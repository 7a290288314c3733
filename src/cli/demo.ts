/** `rxfleet demo`: three nodes, six hundred requests, one death, nothing lost. */

import { filter, firstValueFrom, fromEvent, lastValueFrom, map, takeUntil, tap, timeout, type Observable } from 'rxjs';
import { FleetError, isRoutable, NodeSet, staticNodes, type AnyMiddleware, type Discovery } from '../index.js';
import { createLumenClient, type InferRequest, type LumenClient } from '../lumen/index.js';
import { startDemoNodes, type DemoNode } from './demoNodes.js';
import { discoveryOf } from './lumenOf.js';
import { bar, type Terminal } from './terminal.js';

export interface DemoOptions {
  /** Requests in the batch. */
  readonly requests: number;
  readonly concurrency: number;
  readonly json?: boolean;
}

/** How long multicast gets to find three nodes that stand on this machine. */
const discoveryMs = 5_000;
const prompt = 'Once upon a time';

/** Runs the demonstration. Returns the exit code: 1 when a request was lost. */
export async function demo(options: DemoOptions, terminal: Terminal): Promise<number> {
  terminal.say('Starting three Lumen nodes, a process each …');
  const nodes = await startDemoNodes(3, terminal.interrupted);
  try {
    for (const { name, address, pid } of nodes) terminal.say(`  ${name} at ${address}, process ${pid}`);
    const discovery = await foundBy(nodes, terminal);
    let failedOver = 0;
    const countFailovers: AnyMiddleware = (next) => (call) =>
      next(call).pipe(tap({ complete: () => call.attempts.length > 0 && failedOver++ }));
    await using lumen = createLumenClient({ discovery, use: [countFailovers] });
    await allReady(lumen, nodes.length, terminal);
    await story(lumen, terminal);
    const { answered, lost } = await batch(lumen, nodes, options, terminal);
    if (terminal.interrupted.aborted) return 130;
    const { averageLatencyMs } = lumen.metrics;
    terminal.say(`Average latency ${Math.round(averageLatencyMs)} ms.`);
    const requests = answered + lost;
    if (options.json) terminal.line(JSON.stringify({ requests, answered, lost, failedOver }));
    else terminal.line(`${requests} requests, ${answered} answered, ${lost} lost, ${failedOver} failed over`);
    return lost > 0 ? 1 : 0;
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

/** mDNS when it finds the nodes; else a list of them, with a line that says why. */
async function foundBy(nodes: readonly DemoNode[], terminal: Terminal): Promise<Discovery> {
  const names = new Set(nodes.map(({ name }) => name));
  const ours: Discovery = (query) =>
    discoveryOf({ interface: ['127.0.0.1'] })(query).pipe(
      map((set) =>
        NodeSet.of(
          set.nodes.filter(({ id }) => names.has(id)),
          set.stale,
        ),
      ),
    );
  const events: string[] = [];
  const startedAt = performance.now();
  try {
    await firstValueFrom(
      ours({ service: 'lumen', onEvent: ({ message }) => events.push(message) }).pipe(
        filter(({ size }) => size === nodes.length),
        timeout(discoveryMs),
        takeUntil(fromEvent(terminal.interrupted, 'abort')),
      ),
    );
    terminal.say(`Found all three by mDNS in ${Math.round(performance.now() - startedAt)} ms.`);
    return ours;
  } catch {
    if (terminal.interrupted.aborted) throw new FleetError('CANCELLED', 'interrupted');
    const why = events[0] ?? `multicast brought no answer within ${discoveryMs / 1_000} s`;
    terminal.say(`mDNS is not to be had here (${why}): the nodes are listed by address instead.`);
    return staticNodes(nodes.map(({ name, address }) => ({ id: name, address })));
  }
}

function allReady(lumen: LumenClient, size: number, { interrupted }: Terminal): Promise<unknown> {
  const ready$ = lumen.nodes$.pipe(filter(({ nodes }) => nodes.filter(isRoutable).length === size));
  return firstValueFrom(ready$.pipe(timeout(10_000), takeUntil(fromEvent(interrupted, 'abort'))));
}

async function story(lumen: LumenClient, terminal: Terminal): Promise<void> {
  terminal.say(`\nA text, streamed word by word ("${prompt}"):`);
  const text$ = lumen.generateText(prompt, { maxTokens: 40 });
  terminal.write(prompt);
  await lastValueFrom(
    text$.pipe(
      tap(({ text }) => terminal.write(text)),
      takeUntil(fromEvent(terminal.interrupted, 'abort')),
    ),
    { defaultValue: undefined },
  );
  terminal.line('\n');
}

/** The batch, with a node killed when a third is done. */
async function batch(
  lumen: LumenClient,
  nodes: readonly DemoNode[],
  { requests, concurrency }: DemoOptions,
  terminal: Terminal,
): Promise<{ answered: number; lost: number }> {
  const victim = nodes[1]!;
  let answered = 0;
  let lost = 0;
  let killed = false;
  terminal.say(`${requests} requests, ${concurrency} at once: embeddings, and every tenth a generated text.`);
  const results$: Observable<unknown> = lumen.inferAll(batchOf(requests), { concurrency }).pipe(
    takeUntil(fromEvent(terminal.interrupted, 'abort')),
    tap(({ request, result, error, progress }) => {
      if (result && isRight(request, result.bytes)) answered++;
      else lost++;
      if (error) terminal.say(`lost: ${error.code}: ${error.message}`);
      terminal.progress(bar(progress.done, requests), progress.done % Math.ceil(requests / 6) === 0);
      if (killed || progress.done < requests / 3) return;
      killed = true;
      victim.kill();
      terminal.say(`Killed ${victim.name} (process ${victim.pid}) after ${progress.done} requests.`);
    }),
  );
  const gone = lumen.node$(victim.name).subscribe(({ availability, availabilityReason: reason }) => {
    if (killed && availability === 'unavailable') terminal.say(`${victim.name} is unavailable: ${reason ?? 'lost'}`);
  });
  await lastValueFrom(results$, { defaultValue: undefined });
  gone.unsubscribe();
  return { answered, lost };
}

function* batchOf(requests: number): Generator<InferRequest> {
  for (let i = 0; i < requests; i++) {
    yield i % 10 === 9
      ? { task: 'text_generation', payload: `It was the night number ${i}`, meta: { max_tokens: '10' } }
      : { task: 'semantic_text_embed', payload: `a red bicycle, number ${i}` };
  }
}

/** An embedding is a vector of length one; a text has words. */
function isRight({ task }: InferRequest, bytes: Uint8Array): boolean {
  const result = JSON.parse(new TextDecoder().decode(bytes)) as { vector?: number[]; text?: string };
  if (task === 'text_generation') return (result.text ?? '').length > 0;
  const length = Math.hypot(...(result.vector ?? []));
  return Math.abs(length - 1) < 1e-3;
}
