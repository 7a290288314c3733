/** Cases by folder and by file, and where the picture of each belongs. */

import type { MarbleRecord } from './marbleRecord.js';

/** A folder, with its files. */
export interface Shelf {
  readonly folder: string;
  readonly id: string;
  readonly files: readonly {
    /** Within the folder, without what stands behind the first dot: `etcd/watchRange`. */
    readonly name: string;
    readonly id: string;
    readonly cases: readonly ShelvedCase[];
  }[];
}

export interface ShelvedCase {
  readonly record: MarbleRecord;
  /** Unlike that of any other case. */
  readonly id: string;
  /** Where its picture belongs, from the folder of pictures: `balancer/roundRobin/the-nodes-take-turns.svg`. */
  readonly path: string;
}

/** Folders in the order that is given, then the others by name; files by name, cases as they stand in their file. */
export function shelved(records: readonly MarbleRecord[], order: readonly string[] = []): readonly Shelf[] {
  const shelves = new Map<string, Map<string, MarbleRecord[]>>();
  for (const record of records) {
    const { folder, name } = placeOf(record.file);
    const files = shelves.get(folder) ?? new Map<string, MarbleRecord[]>();
    shelves.set(folder, files.set(name, [...(files.get(name) ?? []), record]));
  }
  const rank = (folder: string) => (order.includes(folder) ? order.indexOf(folder) : order.length);
  const taken = new Set<string>(['top']);
  return [...shelves]
    .sort(([a], [b]) => rank(a) - rank(b) || byName(a, b))
    .map(([folder, files]) => ({
      folder,
      id: free(slugOf(folder), taken),
      files: [...files]
        .sort(([a], [b]) => byName(a, b))
        .map(([name, cases]) => ({
          name,
          id: free([folder, name].filter(Boolean).map(slugOf).join('-'), taken),
          cases: [...cases].sort((a, b) => a.order - b.order).map((record) => shelvedCase(record, folder, name, taken)),
        })),
    }));
}

/** `the-nodes-take-turns`, of `the nodes take turns`. */
export function slugOf(title: string): string {
  return (
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, 100)
      .replaceAll(/^-+|-+$/g, '') || 'case'
  );
}

function shelvedCase(record: MarbleRecord, folder: string, name: string, taken: Set<string>): ShelvedCase {
  const parts = [folder, ...name.split('/')].filter(Boolean);
  const id = free([...parts.map(slugOf), slugOf(record.title)].join('-'), taken);
  return { record, id, path: `${[...parts, id.slice([...parts.map(slugOf), ''].join('-').length)].join('/')}.svg` };
}

function free(id: string, taken: Set<string>): string {
  let unlike = id;
  for (let n = 2; taken.has(unlike); n++) unlike = `${id}-${n}`;
  taken.add(unlike);
  return unlike;
}

/** The outermost folder, such as `marbles`, says nothing; the next one is the shelf. */
function placeOf(file: string): { readonly folder: string; readonly name: string } {
  const names = file.split('/').slice(1);
  const last = (names.pop() ?? file).split('.')[0]!;
  const [folder = '', ...inner] = names;
  return { folder, name: [...inner, last].join('/') || 'cases' };
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
