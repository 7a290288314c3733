/** Which node an SRV record means, when records have no names of their own. */

interface Place {
  readonly target: string;
  readonly port: number;
}

/**
 * One id for each record, in their order: its target, or `target:port` where several records share one.
 *
 * @param before The ids of the set before, by `target:port`. A record that was there keeps its id; the only record of a
 * target that moved to another port does too.
 */
export function srvIds(records: readonly Place[], before: ReadonlyMap<string, string>): string[] {
  const ids = new Array<string | undefined>(records.length);
  const taken = new Set<string>();
  const take = (index: number, id: string | undefined) => {
    if (id === undefined || ids[index] !== undefined || taken.has(id)) return;
    ids[index] = id;
    taken.add(id);
  };
  const count = new Map<string, number>();
  for (const { target } of records) count.set(target, (count.get(target) ?? 0) + 1);
  const oldIds = new Map<string, string[]>();
  for (const [place, id] of before) {
    const target = place.slice(0, place.lastIndexOf(':'));
    oldIds.set(target, [...(oldIds.get(target) ?? []), id]);
  }
  records.forEach((record, index) => take(index, before.get(placeOf(record))));
  records.forEach(({ target }, index) => {
    const old = oldIds.get(target) ?? [];
    if (count.get(target) === 1 && old.length === 1) take(index, old[0]);
  });
  records.forEach((record, index) => {
    if (count.get(record.target) === 1) take(index, record.target);
    take(index, placeOf(record));
    // A place whose id another record has kept: still an id that nobody else bears.
    for (let n = 2; ids[index] === undefined; n++) take(index, `${placeOf(record)}#${n}`);
  });
  return ids as string[];
}

export function placeOf({ target, port }: Place): string {
  return `${target}:${port}`;
}
