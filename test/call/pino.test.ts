/** The log as people run it: pino's. */

import { pino } from 'pino';
import { lastValueFrom, of } from 'rxjs';
import { createPool, log, trace } from '../../src/index.js';

it('writes lines that pino understands', async () => {
  const lines: string[] = [];
  const logger = pino({ level: 'debug', base: null, timestamp: false }, { write: (line: string) => lines.push(line) });
  await using pool = createPool({ members: [{ id: 'a', resource: 'a' }], use: [trace(), log(logger)] });
  await lastValueFrom(pool.use((name) => of(name), { name: 'read' }));
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: 20, method: 'read', code: 'OK', node: 'a', msg: expect.stringMatching(/^read OK after/) as string },
  ]);
});
