/** Protos that stand in files: compiled by `protoc` or `buf`, or compiled already. */

import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema, type FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { FleetError } from '../../index.js';

type Files = ReadonlyMap<string, FileDescriptorProto>;

const run = promisify(execFile);

/** The files of a serialised `FileDescriptorSet`, as `protoc --descriptor_set_out` and `buf build` write it. */
export async function filesOfDescriptor(path: string): Promise<Files> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FleetError('INVALID_OPTION', `--descriptor cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return new Map(fromBinary(FileDescriptorSetSchema, bytes).file.map((file) => [file.name, file]));
  } catch (cause) {
    const message = `--descriptor ${path} is no FileDescriptorSet: make one with protoc --include_imports --descriptor_set_out`;
    throw new FleetError('INVALID_OPTION', message, { cause });
  }
}

/**
 * Compiles `.proto` files with the compiler that is installed. Imports are looked for in `paths`, by default in the folder
 * of each file.
 *
 * Errors with `INVALID_OPTION` for a proto that does not compile, with what the compiler says, and when there is none.
 */
export async function filesOfProtos(protos: readonly string[], paths: readonly string[]): Promise<Files> {
  const folder = await mkdtemp(join(tmpdir(), 'rxfleet-'));
  const out = join(folder, 'set.binpb');
  const roots = paths.length > 0 ? paths : [...new Set(protos.map((proto) => dirname(proto)))];
  try {
    const includes = roots.map((root) => `--proto_path=${root}`);
    if (await ran('protoc', [...includes, '--include_imports', `--descriptor_set_out=${out}`, ...protos])) {
      return await filesOfDescriptor(out);
    }
    // buf takes one folder at a time.
    const files = new Map<string, FileDescriptorProto>();
    for (const root of roots) {
      const within = protos.filter((proto) => proto.startsWith(root) || root === '.');
      if (within.length === 0) continue;
      const only = within.flatMap((proto) => ['--path', proto]);
      if (!(await ran('buf', ['build', root, '--disable-symlinks', '-o', out, ...only]))) throw noCompiler();
      for (const [name, file] of await filesOfDescriptor(out)) files.set(name, file);
    }
    return files;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** False when there is no such program. */
async function ran(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, [...args]);
    return true;
  } catch (cause) {
    const { code, stderr = '' } = cause as { readonly code?: unknown; readonly stderr?: string };
    if (code === 'ENOENT') return false;
    throw new FleetError('INVALID_OPTION', `--proto does not compile: ${stderr.trim() || String(cause)}`, { cause });
  }
}

function noCompiler(): FleetError {
  return new FleetError(
    'INVALID_OPTION',
    '--proto needs protoc or buf on the PATH: install one, give a compiled --descriptor, or use server reflection',
  );
}
