/** The kinds of settings that a configuration is made of: what each accepts, and how it is read. */

import { FleetError } from '../core/fleetError.js';
import { withoutCredentials } from './withoutCredentials.js';

/** One setting: `T` is what it means, `In` what may be written. */
export interface Setting<T, In> {
  /** What it must be, as the end of a sentence. */
  readonly rule: string;
  /** Reads what was written; undefined when that makes no sense. `path` is for messages about a part of it. */
  readonly read: (written: unknown, path: string) => T | undefined;
  /** How a value is shown to people. */
  readonly show: (value: T) => unknown;
  readonly fallback: T | undefined;
  /** Other names that are understood. */
  readonly aliases: readonly string[];
  /** Never shown. */
  readonly secret: boolean;
  /** What there is to say about a value that does not do what one may expect. */
  readonly note: ((value: T) => string | undefined) | undefined;
  /** Only in the types. */
  readonly in?: In;
}

/** A table of settings and of tables. */
export interface Section {
  readonly [name: string]: AnySetting | Section;
}

export type AnySetting = Setting<any, any>;

/** What a section means once it is read. */
export type ValuesOf<S> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T, unknown> ? T : ValuesOf<S[K]>;
};

/** What may be written for a section. */
export type DocumentOf<S> = {
  readonly [K in keyof S]?: S[K] extends { readonly in?: infer In; readonly rule: string } ? In : DocumentOf<S[K]>;
};

export interface SettingOptions<T> {
  readonly aliases?: readonly string[];
  readonly secret?: boolean;
  readonly note?: (value: T) => string | undefined;
}

/** Makes settings of one kind; with a default they always have a value. */
export interface Kind<T, In> {
  (options: SettingOptions<T> & { readonly default: T }): Setting<T, In>;
  (options?: SettingOptions<T>): Setting<T | undefined, In>;
}

/** True for one setting, false for a table of them. */
export function isSetting(entry: AnySetting | Section): entry is AnySetting {
  return typeof entry.read === 'function';
}

/** A kind of setting from its rule and how it is read. */
export function kindOf<T, In>(
  rule: string,
  read: Setting<T, In>['read'],
  show: (value: T) => unknown = same,
): Kind<T, In> {
  const make = (options: SettingOptions<T> & { readonly default?: T } = {}): Setting<T, In> => {
    const { aliases = [], secret = false, note } = options;
    return { rule, read, show, fallback: options.default, aliases, secret, note };
  };
  return make as Kind<T, In>;
}

/** A text that is not empty. */
export const text = kindOf<string, string>(
  'a text',
  (value) => (typeof value === 'string' && value.trim() !== '' ? value : undefined),
  withoutCredentials,
);

/** True or false. */
export const yesNo = kindOf<boolean, boolean>('true or false', (value) => {
  if (typeof value === 'boolean') return value;
  return value === 'true' ? true : value === 'false' ? false : undefined;
});

/** A whole number within bounds, both included. */
export function whole(least: number, most: number): Kind<number, number> {
  const rule = `a whole number from ${least} to ${most}`;
  return kindOf(rule, (value) => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return Number.isInteger(number) && (number as number) >= least && (number as number) <= most
      ? (number as number)
      : undefined;
  });
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time in milliseconds, longer than nothing: written as seconds, or with its unit: `500ms`, `30s`, `5m`, `1h`. */
export const duration = kindOf<number, number | string>(
  'a time above 0: a number of seconds, or a text such as "30s", "500ms", "5m" or "1h"',
  (value) => {
    const parts = /^(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h)?$/.exec(String(value).trim());
    if (!parts || (typeof value !== 'number' && typeof value !== 'string')) return undefined;
    const ms = Number(parts[1]) * units[parts[2] ?? 's']!;
    // What a timer of Node.js can wait.
    return ms > 0 && ms <= 0x7fff_ffff ? ms : undefined;
  },
  (ms) => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`),
);

/** Texts as a list, or in one text with commas between them. */
export const texts = kindOf<readonly string[], readonly string[] | string>(
  'a list of texts that are not empty',
  (value) => {
    const list = typeof value === 'string' ? value.split(',').map((each) => each.trim()) : value;
    if (!Array.isArray(list) || list.length === 0) return undefined;
    return list.every((each) => typeof each === 'string' && each.trim() !== '') ? (list as string[]) : undefined;
  },
  (list) => list.map(withoutCredentials),
);

/** An object of texts; never shown where it is secret. */
export const labels = kindOf<Readonly<Record<string, string>>, Readonly<Record<string, string>>>(
  'an object of texts',
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return Object.values(value).every((each) => typeof each === 'string')
      ? (value as Readonly<Record<string, string>>)
      : undefined;
  },
);

/** One of several names; each may have others that mean the same. */
export function choice<const N extends string>(
  names: Readonly<Record<N, readonly string[]>>,
): Kind<N, N | (string & {})> {
  const known = Object.keys(names) as N[];
  const rule = `one of ${known.join(', ')}`;
  return kindOf(rule, (value) => {
    if (typeof value !== 'string') return undefined;
    const asked = plain(value);
    return known.find((name) => plain(name) === asked || names[name].some((alias) => plain(alias) === asked));
  });
}

/** A name without regard to case and to how its words are joined. */
export function plain(name: string): string {
  return name.replace(/[-_\s]/g, '').toLowerCase();
}

/** The error for a value that makes no sense. */
export function wrong(path: string, rule: string, written: unknown, origin: string, secret = false): FleetError {
  const value = secret ? 'what was given' : shown(written);
  return new FleetError('INVALID_OPTION', `${path} must be ${rule}, not ${value} (${origin})`);
}

function shown(value: unknown): string {
  const written = withoutCredentials(JSON.stringify(value) ?? String(value));
  return written.length > 80 ? `${written.slice(0, 80)}…` : written;
}

function same(value: unknown): unknown {
  return value;
}
