/** Servers on gRPC's C core: python3-grpcio, from Debian's packages. */

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { debian } from './debian.js';

const python = await debian(['python3-grpcio'], ['python3'], ['usr/lib/python3/dist-packages/grpc/__init__.py']).catch(
  (error: Error) => error,
);

/** Why there is none; with `CI=true` that is a failure. */
export const noCCore = python instanceof Error ? `skipped, no python3-grpcio to be had: ${python.message}` : undefined;
if (noCCore && process.env.CI === 'true') throw new Error(noCCore);
if (noCCore) console.warn(noCCore);

export interface CCoreServer {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** The words of the first line that it wrote, such as its ports. */
  readonly words: readonly [string, ...string[]];
}

/** Runs a script, and gives it when it has written its first line. */
export async function startCCore(script: string, ...args: readonly string[]): Promise<CCoreServer> {
  const { env } = python as Exclude<typeof python, Error>;
  const child = spawn('/usr/bin/python3', ['-c', script, ...args], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, words: line.toString().trim().split(/\s+/) as [string, ...string[]] };
}
