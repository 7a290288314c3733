/** Names told apart. */

/** Several of one name are told apart by a number. */
export function numbered(names: readonly string[]): string[] {
  const count = new Map<string, number>();
  return names.map((name) => {
    const number = (count.get(name) ?? 0) + 1;
    count.set(name, number);
    return number === 1 ? name : `${name} ${number}`;
  });
}
