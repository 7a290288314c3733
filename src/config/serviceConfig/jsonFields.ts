/** One object of a service config, read field by field, by the JSON rules of protobuf: https://protobuf.dev/programming-guides/json/ */

import { grpcStatusNames, type FleetErrorCode } from '../../core/errorCodes.js';
import { FleetError } from '../../core/fleetError.js';
import { isRecord } from '../../discovery/readNode.js';
import { didYouMean } from '../nearest.js';

/** A field is given when it is neither missing nor null. */
export class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>;

  /**
   * @param path for errors.
   * @param known the fields that are read; any other is an error, since it would have no effect.
   * @param without effect here, each with the reason.
   */
  constructor(
    value: unknown,
    readonly path: string,
    known: readonly string[],
    without: Readonly<Record<string, string>> = {},
  ) {
    if (!isRecord(value)) throw wrong(path, 'an object', value);
    this.#fields = value;
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue;
      const why = without[name];
      const hint = why ?? `it is not known here${didYouMean(name, known) || `; known are ${known.join(', ')}`}`;
      throw new FleetError('INVALID_OPTION', `${path}.${name} has no effect: ${hint}`);
    }
  }

  at(name: string): string {
    return `${this.path}.${name}`;
  }

  /** The value of a field; undefined when it is not given. */
  get(name: string): unknown {
    return this.#fields[name] ?? undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  refuse(name: string, rule: string): FleetError {
    return wrong(this.at(name), rule, this.get(name));
  }

  list(name: string): readonly unknown[] | undefined {
    return this.#read(name, 'a list', (value) => (Array.isArray(value) ? (value as readonly unknown[]) : undefined));
  }

  text(name: string): string | undefined {
    return this.#read(name, 'a text', (value) => (typeof value === 'string' ? value : undefined));
  }

  flag(name: string): boolean | undefined {
    return this.#read(name, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  number(name: string, rule: string, fits: (value: number) => boolean): number | undefined {
    return this.#read(name, rule, (value) => {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      return typeof number === 'number' && Number.isFinite(number) && fits(number) ? number : undefined;
    });
  }

  whole(name: string, least: number, most = 2 ** 32 - 1): number | undefined {
    const rule = `a whole number from ${least}${most < 2 ** 32 - 1 ? ` to ${most}` : ''}`;
    return this.number(name, rule, (value) => Number.isInteger(value) && value >= least && value <= most);
  }

  /** A duration such as `"1.5s"`, in milliseconds. */
  duration(name: string, rule = 'a duration such as "1.5s"', fits = (ms: number) => ms >= 0): number | undefined {
    return this.#read(name, rule, (value) => {
      const parts = typeof value === 'string' ? /^(\d{1,12}(?:\.\d{1,9})?)s$/.exec(value) : null;
      const ms = parts ? Number(parts[1]) * 1_000 : NaN;
      return fits(ms) ? ms : undefined;
    });
  }

  /** A duration over 0. */
  time(name: string): number | undefined {
    return this.duration(name, 'a duration over 0 such as "1.5s"', (ms) => ms > 0);
  }

  /** Status codes by their names, in either case, or their numbers. */
  codes(name: string): readonly FleetErrorCode[] | undefined {
    return this.list(name)?.map((value, i) => {
      const code = typeof value === 'number' ? grpcStatusNames[value] : String(value).toUpperCase();
      const known = grpcStatusNames.find((each) => each === code);
      if (known !== undefined && known !== 'OK') return known;
      const hint = didYouMean(String(value), grpcStatusNames);
      throw wrong(`${this.at(name)}[${i}]`, `a status of gRPC other than OK${hint}`, value);
    });
  }

  /** What a required field says. */
  required<T>(name: string, value: T | undefined): T {
    if (value === undefined) throw new FleetError('INVALID_OPTION', `${this.at(name)} must be given`);
    return value;
  }

  #read<T>(name: string, rule: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const found = read(value);
    if (found === undefined) throw wrong(this.at(name), rule, value);
    return found;
  }
}

function wrong(path: string, rule: string, value: unknown): FleetError {
  return new FleetError('INVALID_OPTION', `${path} must be ${rule}, not ${JSON.stringify(value) ?? String(value)}`);
}
