/** Conditions on labels as a configuration writes them. */

import { FleetError } from '../core/fleetError.js';
import { tagFilter, type KeyedTagFilter, type TagFilter } from '../discovery/tagFilter.js';
import { isRecord } from '../discovery/readNode.js';
import { didYouMean } from './nearest.js';
import { kindOf } from './setting.js';

/** One condition: flare's table, or a text as `whereTags()` takes it: `key`, `key=value`, `zone-*`. */
export type TagFilterDocument = string | TagFilterTable;

/** flare's `TagFilter`. */
export interface TagFilterTable {
  readonly key: string;
  /** Left out: the label is there, whatever its value. */
  readonly value?: string;
  /** Default `exact`; `exists` heeds no value. */
  readonly pattern?: 'exact' | 'prefix' | 'regex' | 'exists';
}

const patterns = ['exact', 'prefix', 'regex', 'exists'];
const fields = ['key', 'value', 'pattern'];

/** The setting `tag_filters`: a list, or texts with commas between them. All must hold. */
export const tagFilters = kindOf<readonly TagFilter[], readonly TagFilterDocument[] | string>(
  'a list of filters: { key, value, pattern }, or a text such as "gpu", "env=prod" or "zone-*"',
  (written, path) => {
    const list = typeof written === 'string' ? written.split(',').map((each) => each.trim()) : written;
    if (!Array.isArray(list)) return undefined;
    return list.map((each: unknown, index) => filterOf(each, `${path}[${index}]`));
  },
);

function filterOf(written: unknown, path: string): TagFilter {
  const filter = typeof written === 'string' ? written : tableOf(written, path);
  tagFilter(filter, path);
  return filter;
}

function tableOf(written: unknown, path: string): KeyedTagFilter {
  if (!isRecord(written)) {
    throw new FleetError(
      'INVALID_OPTION',
      `${path} must be a text or { key, value, pattern }, not ${JSON.stringify(written)}`,
    );
  }
  for (const field of Object.keys(written)) {
    if (!fields.includes(field)) {
      throw new FleetError('INVALID_OPTION', `${path}.${field} is not known${didYouMean(field, fields)}`);
    }
  }
  const { key, value = undefined, pattern = 'exact' } = written;
  if (typeof key !== 'string') throw new FleetError('INVALID_OPTION', `${path}.key must be given: the key of a label`);
  if (typeof pattern !== 'string' || !patterns.includes(pattern)) {
    const shown = JSON.stringify(pattern);
    throw new FleetError('INVALID_OPTION', `${path}.pattern must be one of ${patterns.join(', ')}, not ${shown}`);
  }
  if (pattern === 'exists' || value === undefined || value === null) return { key };
  if (typeof value !== 'string') {
    throw new FleetError('INVALID_OPTION', `${path}.value must be a text: put it in quotes`);
  }
  return { key, value, pattern: pattern as 'exact' | 'prefix' | 'regex' };
}
