/** A text whose node dies amid a sentence: another one goes on, and the reader sees one text. */

import { filter, firstValueFrom, lastValueFrom, take, tap, toArray } from 'rxjs';
import { FleetError, isRoutable, staticNodes, type FleetEvent } from '../../src/index.js';
import { continueText, createLumenClient, type LumenClient, type TextPart } from '../../src/lumen/index.js';
import { startLumenNode, type LumenNode } from '../../src/testing/lumenNode.js';

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const prompt = 'Shall I compare thee';

/** Nodes that generate a word a few milliseconds, and a client that knows them all. */
async function world(...names: string[]): Promise<{ nodes: LumenNode[]; lumen: LumenClient; events: FleetEvent[] }> {
  const nodes = await Promise.all(names.map((name) => startLumenNode({ name, msPerToken: 2 })));
  const lumen = createLumenClient({
    discovery: staticNodes(nodes.map(({ name, address }) => ({ id: name, address }))),
  });
  ends.push(...nodes.map((node) => () => node.close(0)), () => lumen.close({ drainMs: 0 }));
  await firstValueFrom(lumen.nodes$.pipe(filter((set) => set.nodes.filter(isRoutable).length === names.length)));
  const events: FleetEvent[] = [];
  lumen.fleet.events$.subscribe((event) => events.push(event));
  return { nodes, lumen, events };
}

/** What the reader has read: the pieces are the text, and each says how far it has come. */
function readable(parts: readonly TextPart[]): string {
  let text = '';
  for (const part of parts) {
    text += part.text;
    expect(part.soFar).toBe(text);
  }
  return text;
}

describe('continueText()', () => {
  it('goes on where the node died, with no gap and no repeat, and says so', async () => {
    const { nodes, lumen, events } = await world('a', 'b');
    nodes[0]!.faults({ dieAfterMessages: 5, death: 'node' });
    const parts = await lastValueFrom(
      lumen.generateText(prompt, { maxTokens: 24, resume: continueText() }).pipe(toArray()),
    );
    const words = readable(parts).split(' ');
    // Not one word more or less than were asked for, whoever said them.
    expect(words).toHaveLength(24);
    expect(words.every((word) => word.length > 0)).toBe(true);
    expect(parts.at(-1)).toMatchObject({ final: true, continuity: 'text', node: 'b', finishReason: 'length' });
    expect(parts[0]).toMatchObject({ continuity: 'exact', node: 'a' });
    const second = nodes[1]!.calls.find(({ method }) => method === 'Infer')!;
    expect(second.meta).toMatchObject({ max_tokens: String(24 - parts.filter(({ node }) => node === 'a').length) });
    expect(events.filter(({ type }) => type === 'resumed')).toMatchObject([
      { continuity: 'text', after: 'UNAVAILABLE' },
    ]);
  });

  it('without it the error stands, and what was said is not said again', async () => {
    const { nodes, lumen } = await world('a', 'b');
    nodes[0]!.faults({ dieAfterMessages: 5, death: 'node' });
    const parts: TextPart[] = [];
    const text = lastValueFrom(lumen.generateText(prompt, { maxTokens: 24 }).pipe(tap((part) => parts.push(part))));
    await expect(text).rejects.toMatchObject({ code: 'UNAVAILABLE', node: 'a' });
    expect(readable(parts).split(' ')).toHaveLength(5);
    expect(nodes[1]!.calls.filter(({ method }) => method === 'Infer')).toEqual([]);
  });

  it('survives several deaths in one text', async () => {
    const { nodes, lumen } = await world('a', 'b', 'c');
    for (const node of nodes.slice(0, 2)) node.faults({ dieAfterMessages: 4, death: 'node' });
    const parts = await lastValueFrom(
      lumen.generateText(prompt, { maxTokens: 20, resume: continueText() }).pipe(toArray()),
    );
    expect(readable(parts).split(' ')).toHaveLength(20);
    expect(new Set(parts.map(({ node }) => node))).toEqual(new Set(['a', 'b', 'c']));
  });

  it('takes a node that falls silent for one that died', async () => {
    const { nodes, lumen, events } = await world('a', 'b');
    nodes[0]!.faults({ stallAfterMessages: 6 });
    const resume = continueText({ stall: { factor: 5, minMs: 50, after: 3 } });
    const parts = await lastValueFrom(lumen.generateText(prompt, { maxTokens: 16, resume }).pipe(toArray()));
    expect(readable(parts).split(' ')).toHaveLength(16);
    expect(events.find(({ type }) => type === 'stalled')).toMatchObject({ node: { id: 'a' } });
    expect(parts.at(-1)).toMatchObject({ node: 'b', continuity: 'text' });
  });

  it('is exact where nothing broke', async () => {
    const { lumen } = await world('a');
    const parts = await lastValueFrom(
      lumen.generateText(prompt, { maxTokens: 8, resume: continueText() }).pipe(toArray()),
    );
    expect(new Set(parts.map(({ continuity }) => continuity))).toEqual(new Set(['exact']));
  });

  it('gives the error where nobody is left, after what was said', async () => {
    const { nodes, lumen } = await world('a');
    nodes[0]!.faults({ dieAfterMessages: 3, death: 'node' });
    const parts: TextPart[] = [];
    const options = { maxTokens: 9, resume: continueText(), retry: { initialBackoffMs: 1 } };
    const text = lastValueFrom(lumen.generateText(prompt, options).pipe(tap((part) => parts.push(part))));
    await expect(text).rejects.toBeInstanceOf(FleetError);
    expect(readable(parts).split(' ')).toHaveLength(3);
  });

  it('cancels on the second node when its reader leaves', async () => {
    const { nodes, lumen } = await world('a', 'b');
    nodes[0]!.faults({ dieAfterMessages: 3, death: 'node' });
    await lastValueFrom(
      lumen.generateText(prompt, { maxTokens: 5_000, resume: continueText() }).pipe(
        filter(({ node }) => node === 'b'),
        take(2),
      ),
    );
    await vi.waitFor(() =>
      expect(nodes[1]!.calls.find(({ method }) => method === 'Infer')).toMatchObject({ outcome: 'CANCELLED' }),
    );
  });
});
