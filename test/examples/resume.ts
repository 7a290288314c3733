/** A text whose node dies amid a sentence goes on at another one. */
import { filter, firstValueFrom, lastValueFrom, tap } from 'rxjs';
import { isRoutable, staticNodes } from 'rxfleet';
import { continueText, createLumenClient } from 'rxfleet/lumen';
import { startLumenNode } from 'rxfleet/testing';

await using first = await startLumenNode({ name: 'first', faults: { dieAfterMessages: 5, death: 'node' } });
await using second = await startLumenNode({ name: 'second' });
const discovery = staticNodes([
  { id: 'first', address: first.address },
  { id: 'second', address: second.address },
]);
await using lumen = createLumenClient({ discovery });
await firstValueFrom(lumen.nodes$.pipe(filter((set) => set.nodes.filter(isRoutable).length === 2)));

//#region example
const text$ = lumen.generateText('Once upon a time', { maxTokens: 12, resume: continueText() });
const { soFar } = await lastValueFrom(
  text$.pipe(tap(({ node, continuity, text }) => console.log(node, continuity, text))), // first exact …, second text …
);
console.log(soFar);
//#endregion
