/** `rxfleet infer`: one inference from the terminal. */

import { readFile, writeFile } from 'node:fs/promises';
import { fromEvent, lastValueFrom, takeUntil, tap } from 'rxjs';
import { FleetError } from '../index.js';
import { taskNames, type InferPart, type InferRequest } from '../lumen/index.js';
import { lumenOf, type WhereOptions } from './lumenOf.js';
import type { Terminal } from './terminal.js';

export interface InferCommandOptions extends WhereOptions {
  readonly task: string;
  readonly file?: string;
  readonly mime?: string;
  readonly model?: string;
  readonly meta?: readonly string[];
  readonly deadline: number;
  readonly output?: string;
  readonly json?: boolean;
}

/** Runs the task on the text, the file or stdin; writes the result as it comes. Returns the exit code. */
export async function infer(
  text: string | undefined,
  options: InferCommandOptions,
  terminal: Terminal,
): Promise<number> {
  const request = await requestOf(text, options);
  await using lumen = lumenOf(options);
  const generates = (taskNames.generateText as readonly string[]).includes(options.task);
  const show = generates && !options.json && !options.output;
  let answered = false;
  const last = await lastValueFrom(
    lumen.inferStream(request, { deadlineMs: options.deadline }).pipe(
      tap((part) => {
        answered = true;
        if (show) terminal.write(textOf(part));
        else if (options.json) terminal.line(JSON.stringify(plain(part)));
      }),
      takeUntil(fromEvent(terminal.interrupted, 'abort')),
    ),
    { defaultValue: undefined },
  );
  if (!last) return 130;
  if (show) terminal.line('');
  else if (options.output) {
    await writeFile(options.output, last.bytes);
    terminal.say(`${last.bytes.length} bytes of ${last.mime} from ${last.node} written to ${options.output}`);
  } else if (!options.json) {
    terminal.write(isText(last.mime) ? `${new TextDecoder().decode(last.bytes)}\n` : last.bytes);
  }
  return answered ? 0 : 1;
}

async function requestOf(text: string | undefined, options: InferCommandOptions): Promise<InferRequest> {
  const { task, file, mime, model } = options;
  const meta = Object.fromEntries((options.meta ?? []).map(pair));
  if (text !== undefined && file !== undefined) {
    throw new FleetError('INVALID_OPTION', 'give either a text or --file, not both');
  }
  const payload = text ?? (await bytesOf(file));
  return { task, payload, mime: mime ?? (file === undefined ? 'text/plain' : mimeOf(file)), model, meta };
}

async function bytesOf(file: string | undefined): Promise<Uint8Array> {
  if (file !== undefined && file !== '-') {
    try {
      return await readFile(file);
    } catch (error) {
      throw new FleetError('INVALID_OPTION', `--file cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }
  if (process.stdin.isTTY)
    throw new FleetError('INVALID_OPTION', 'nothing to work on: give a text, --file, or pipe it in');
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const mimes: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
  txt: 'text/plain',
  md: 'text/plain',
  json: 'application/json',
};

function mimeOf(file: string): string {
  const mime = mimes[/\.(\w+)$/.exec(file)?.[1]?.toLowerCase() ?? ''];
  if (mime) return mime;
  throw new FleetError('INVALID_OPTION', `the type of ${file} is not known by its name: say it with --mime`);
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new FleetError('INVALID_OPTION', `--meta takes key=value, not "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function isText(mime: string): boolean {
  return /^(text\/|application\/json)/.test(mime);
}

function textOf({ bytes }: InferPart): string {
  const text = new TextDecoder().decode(bytes);
  try {
    return String((JSON.parse(text) as { text?: unknown }).text ?? '');
  } catch {
    return text;
  }
}

/** A part as one line of JSON: a JSON result as it is, anything else as base64. */
function plain({ node, task, correlationId, mime, schema, meta, index, final, bytes }: InferPart): object {
  const head = { node, task, correlationId, mime, schema: schema || undefined, meta, index, final };
  if (!isText(mime)) return { ...head, base64: Buffer.from(bytes).toString('base64') };
  const text = new TextDecoder().decode(bytes);
  try {
    return { ...head, result: JSON.parse(text) as unknown };
  } catch {
    return { ...head, text };
  }
}
