/** Around a run of the marbles that is to be drawn: forgets the pictures of the last one, and makes those of this. */

import { mkdirSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { TestProject } from 'vitest/node';
import { drawMarbles } from '../../src/testing/marble/drawMarbles.js';
import { committed, renew } from './shownMarbles.js';
import { root } from './source.js';

/** The flow of a call, and the one question of each folder. */
const folders = {
  discovery: 'Where are the nodes?',
  nodes: 'Which nodes do we know now?',
  health: 'Which of them can serve?',
  balancer: 'Which one takes this call?',
  transport: 'How do bytes reach it?',
  call: 'What happens around one call?',
  client: 'What does the user hold?',
  lumen: 'How does a Lumen node infer?',
  auth: 'Who are we?',
  registration: 'How do we announce ourselves?',
  aio: 'How is all of it done with AIO?',
  metrics: 'What happened?',
  core: 'What do the words mean?',
};

export default function drawnMarbles({ config }: TestProject): () => void {
  const folder = resolve(root, config.env.RXFLEET_PICTURES!);
  // Only what lies in the place of our own: elsewhere it may be anybody's.
  if (relative(root, folder) === 'marbles/.pictures') rmSync(folder, { recursive: true, force: true });
  return () => {
    mkdirSync(join(root, committed), { recursive: true });
    const pictures = drawMarbles(folder, { title: 'Marbles of rxfleet', folders });
    for (const { record } of pictures) renew(record);
    console.log(`${pictures.length} marbles are drawn: ${pathToFileURL(join(folder, 'index.html'))}`);
  };
}
