import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { lastValueFrom, toArray } from 'rxjs';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { createLumenClient } from '../../src/lumen/index.js';
import { textVector } from '../../src/testing/lumenNode/tasks/embedText.js';

const program = fileURLToPath(new URL('./nodeProcess.ts', import.meta.url));
const names = ['node-1', 'node-2', 'node-3'] as const;
const requestCount = 1_000;
const msPerRequest = 40;

/** A node in a process that can be killed, and started again on the same port. */
class NodeProcess {
  port = 0;
  up = false;
  kills = 0;
  #child: ChildProcess | undefined;

  constructor(readonly name: string) {}

  async start(): Promise<void> {
    const args = ['--import', 'tsx', program, this.name, String(this.port), String(msPerRequest)];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    for await (const chunk of child.stdout!) {
      const port = /listening on (\d+)/.exec(String(chunk))?.[1];
      if (port === undefined) continue;
      this.port = Number(port);
      this.up = true;
      child.stdout!.resume();
      return;
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.up = false;
    if (!child || child.exitCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
}

describe('1,000 inferences over 3 nodes while one is killed and restarted every second', () => {
  it('loses none, answers none twice, and each right', { timeout: 120_000 }, async () => {
    const nodes = names.map((name) => new NodeProcess(name));
    await Promise.all(nodes.map((node) => node.start()));
    const lumen = createLumenClient({
      discovery: staticNodes(nodes.map(({ name, port }) => ({ id: name, address: `127.0.0.1:${port}` }))),
    });
    let failures = 0;
    lumen.outcomes$.subscribe(({ outcome }) => (failures += Number(outcome.status === 'failed')));

    let turn = 0;
    const restarts: Promise<void>[] = [];
    const reaper = setInterval(() => {
      // The next in turn that is up: a restart may take longer than a second on a busy machine.
      const victim = [0, 1, 2].map((i) => nodes[(turn + i) % 3]!).find(({ up }) => up);
      turn++;
      if (!victim) return;
      victim.kills++;
      restarts.push(victim.kill().then(() => victim.start()));
    }, 1_000);

    const requests = Array.from({ length: requestCount }, (_, i) =>
      i % 2 ? { task: 'semantic_text_embed', payload: `text number ${i}` } : { task: 'echo', payload: `request ${i}` },
    );
    try {
      const items = await lastValueFrom(
        lumen.inferAll(requests, { concurrency: 8, deadlineMs: 60_000 }).pipe(toArray()),
      );
      const lost = items.filter(({ error }) => error).map(({ index, error }) => `${index}: ${error!.message}`);
      const wrong = items.filter(({ index, result }) => {
        if (!result) return false;
        const text = new TextDecoder().decode(result.bytes);
        if (index % 2 === 0) return text !== `request ${index}`;
        return (
          JSON.stringify((JSON.parse(text) as { vector: unknown }).vector) !==
          JSON.stringify(textVector(`text number ${index}`))
        );
      });
      const kills = nodes.reduce((sum, node) => sum + node.kills, 0);
      console.log(
        `${items.length} of ${requestCount} answered, ${lost.length} lost, ${kills} kills, ${failures} failed attempts`,
      );
      expect(lost).toEqual([]);
      expect(new Set(items.map(({ index }) => index)).size).toBe(requestCount);
      expect(items).toHaveLength(requestCount);
      expect(wrong).toEqual([]);
      expect(kills).toBeGreaterThanOrEqual(4);
      expect(failures).toBeGreaterThan(0);
    } finally {
      clearInterval(reaper);
      await lumen.close({ drainMs: 0 });
      await Promise.allSettled(restarts);
      await Promise.all(nodes.map((node) => node.kill()));
    }
  });
});
