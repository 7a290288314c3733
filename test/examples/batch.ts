/** A thousand requests at once, each failure its own, with progress. */
import { lastValueFrom, tap } from 'rxjs';
import { staticNodes } from 'rxfleet';
import { createLumenClient } from 'rxfleet/lumen';

const discovery = staticNodes(process.env.RXFLEET_LUMEN_NODES!.split(','));
const texts = Array.from({ length: 1_000 }, (_, i) => `text number ${i}`);

//#region example
await using lumen = createLumenClient({ discovery });

const requests = texts.map((payload) => ({ task: 'semantic_text_embed', payload }));
await lastValueFrom(
  lumen.inferAll(requests, { concurrency: 32 }).pipe(
    tap(({ index, error, progress }) => {
      if (error) console.error(`text ${index}: ${error.message}`);
      if (progress.done % 250 === 0) console.log(`${progress.done} of ${progress.total}`);
    }),
  ),
);
//#endregion
