/** The descriptor of a service out of files that import each other. */

import { createFileRegistry, type DescFile, type DescService, type FileRegistry } from '@bufbuild/protobuf';
import * as wellKnown from '@bufbuild/protobuf/wkt';
import type { FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { FleetError } from '../../index.js';

/** A service with the types that its messages may hold. */
export interface FoundService {
  readonly service: DescService;
  readonly registry: FileRegistry;
}

/**
 * Links the files.
 *
 * @throws FleetError `NOT_FOUND` with the services that there are; `INVALID_OPTION` for an import that nobody has.
 */
export function serviceOf(name: string, files: ReadonlyMap<string, FileDescriptorProto>): FoundService {
  const own = [...files.values()].find((file) => servicesOf(file).includes(name));
  if (!own) {
    const offered = [...files.values()].flatMap(servicesOf).join(', ') || 'none';
    throw new FleetError('NOT_FOUND', `the protos have no service ${name}; they have ${offered}`);
  }
  const known = googlesOwn();
  let lacking: string | undefined;
  const resolve = (path: string) => {
    const file = files.get(path) ?? known.get(path);
    if (!file) lacking = path;
    return file;
  };
  try {
    const registry = createFileRegistry(own, resolve);
    return { service: registry.getService(name)!, registry };
  } catch (cause) {
    const why = lacking === undefined ? (cause as Error).message : `nobody has the import ${lacking}`;
    throw new FleetError('INVALID_OPTION', `the protos of ${name} cannot be linked: ${why}`, { cause });
  }
}

function servicesOf({ package: within, service }: FileDescriptorProto): string[] {
  return service.map(({ name }) => (within ? `${within}.${name}` : name));
}

/** Google's own types, which servers and descriptor sets often leave out. */
function googlesOwn(): ReadonlyMap<string, DescFile> {
  const files = Object.values(wellKnown).filter(
    (each): each is DescFile => typeof each === 'object' && 'kind' in each && each.kind === 'file',
  );
  return new Map(files.map((file) => [file.proto.name, file]));
}
