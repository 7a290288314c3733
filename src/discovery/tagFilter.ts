/** A condition on one label of a node, in the forms that registries and configurations use. */

import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';

/**
 * A condition on labels. The text of a label is `key`, or `key=value` when it has a value.
 *
 * - `'gpu'`: the key is there, whatever its value. `'env=prod'`: it has exactly this value.
 * - `'zone-*'`, `'env=prod*'`: the text of some label begins so. A star elsewhere is a star.
 * - a RegExp: the text of some label matches.
 * - an object, where nothing is special but `pattern`.
 */
export type TagFilter = string | RegExp | KeyedTagFilter;

/** A condition on the label of one key; flare's `TagFilter`, and fyer's matchers of a group. */
export interface KeyedTagFilter {
  readonly key: string;
  /** Left out: the key is there, whatever its value. */
  readonly value?: string | RegExp;
  /** How `value` is meant when it is a text. Default `exact`. `regex` looks anywhere in the value: anchor it with `^` and `$`. */
  readonly pattern?: 'exact' | 'prefix' | 'regex';
}

type Labels = Readonly<Record<string, string>>;

/**
 * The test of a filter.
 *
 * @param field The name of the option, for the error.
 * @throws FleetError `INVALID_OPTION` for an empty key, an unknown pattern or a text that is no regular expression.
 */
export function tagFilter(filter: TagFilter, field: string): (labels: Labels) => boolean {
  if (filter instanceof RegExp) {
    const expression = stateless(filter);
    return (labels) => someText(labels, (text) => expression.test(text));
  }
  if (typeof filter === 'string') return written(filter, field);
  requireOption(typeof filter === 'object' && filter !== null, field, 'a text, a RegExp or { key, value }', filter);
  const { key, value, pattern = 'exact' } = filter;
  requireOption(typeof key === 'string' && key !== '', `${field}.key`, 'the key of a label', JSON.stringify(key));
  const test = valueTest(value, pattern, field);
  return (labels) => Object.hasOwn(labels, key) && test(labels[key]!);
}

function written(filter: string, field: string): (labels: Labels) => boolean {
  const equals = filter.indexOf('=');
  requireOption(filter !== '' && equals !== 0, field, '"key", "key=value" or "prefix*"', JSON.stringify(filter));
  if (filter.endsWith('*')) {
    const prefix = filter.slice(0, -1);
    return (labels) => someText(labels, (text) => text.startsWith(prefix));
  }
  if (equals < 0) return (labels) => Object.hasOwn(labels, filter);
  const [key, value] = [filter.slice(0, equals), filter.slice(equals + 1)];
  return (labels) => Object.hasOwn(labels, key) && labels[key] === value;
}

function valueTest(value: KeyedTagFilter['value'], pattern: string, field: string): (value: string) => boolean {
  if (value === undefined) return () => true;
  if (value instanceof RegExp) {
    const expression = stateless(value);
    return (text) => expression.test(text);
  }
  requireOption(typeof value === 'string', `${field}.value`, 'a text or a RegExp', value);
  switch (pattern) {
    case 'exact':
      return (text) => text === value;
    case 'prefix':
      return (text) => text.startsWith(value);
    case 'regex': {
      const expression = parsed(value, field);
      return (text) => expression.test(text);
    }
    default:
      throw new FleetError('INVALID_OPTION', `${field}.pattern must be exact, prefix or regex, not ${String(pattern)}`);
  }
}

function parsed(value: string, field: string): RegExp {
  try {
    return new RegExp(value, 'u');
  } catch (cause) {
    throw new FleetError('INVALID_OPTION', `${field}.value "${value}" is no regular expression`, { cause });
  }
}

/** Without the flags by which an expression remembers where it was. */
function stateless({ source, flags }: RegExp): RegExp {
  return new RegExp(source, flags.replace(/[gy]/g, ''));
}

function someText(labels: Labels, test: (text: string) => boolean): boolean {
  for (const [key, value] of Object.entries(labels)) if (test(value === '' ? key : `${key}=${value}`)) return true;
  return false;
}
