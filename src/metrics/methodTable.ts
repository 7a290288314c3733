/** What is kept for each method: names come from callers, so there is a limit. */

/**
 * One entry for each method, and one for all those past the limit, which gRPC calls `other` (gRFC A66).
 *
 * A name is written as gRPC writes it: `demo.Greeter/SayHello`, without the slash in front.
 */
export class MethodTable<T> {
  private readonly entries = new Map<string, T>();
  private readonly limit: number;
  private readonly make: (method: string) => T;
  private rest: T | undefined;

  constructor(limit: number, make: (method: string) => T) {
    this.limit = limit;
    this.make = make;
  }

  of(name: string): T {
    return this.entries.get(name) ?? this.admit(name);
  }

  /** Every entry that there is. */
  *all(): Iterable<T> {
    yield* this.entries.values();
    if (this.rest !== undefined) yield this.rest;
  }

  private admit(name: string): T {
    if (this.entries.size >= this.limit) return (this.rest ??= this.make('other'));
    const entry = this.make(name.startsWith('/') ? name.slice(1) : name);
    this.entries.set(name, entry);
    return entry;
  }
}
