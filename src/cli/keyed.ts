/** Pairs on the command line: `key=value`, `name: value`. */

import { FleetError } from '../index.js';

/**
 * The text before the first separator and the text after it. Without an option that insists on both, the value may be
 * missing: it is empty then, as that of a bare tag.
 */
export function keyed(text: string, separator: string, option?: string): [string, string] {
  const at = text.indexOf(separator);
  if (at < 0 && option === undefined && text.trim() !== '') return [text, ''];
  if (at < 1) throw new FleetError('INVALID_OPTION', `${option ?? '--tag'} takes key${separator}value, not "${text}"`);
  return [text.slice(0, at).trim(), text.slice(at + separator.length).trim()];
}
