/** JSON, YAML and TOML as data: the one place that knows their parsers. */

import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { FleetError } from '../../core/fleetError.js';

/** A format of documents. */
export type DocumentFormat = 'json' | 'yaml' | 'toml';

const endings: Readonly<Record<string, DocumentFormat>> = { json: 'json', yaml: 'yaml', yml: 'yaml', toml: 'toml' };

/**
 * The format that the name of a file tells.
 *
 * @throws FleetError `INVALID_OPTION` when it tells none.
 */
export function formatOf(path: string): DocumentFormat {
  const ending = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  if (Object.hasOwn(endings, ending)) return endings[ending]!;
  throw new FleetError(
    'INVALID_OPTION',
    `the format of "${path}" cannot be told from its name: end it with .json, .yaml, .yml or .toml, or give the format`,
  );
}

/**
 * Reads a document. YAML is 1.2: `yes` is a text. Aliases are expanded a hundred times at most.
 *
 * @throws FleetError `INVALID_OPTION` with the place of the mistake.
 */
export function parseDocument(text: string, format: DocumentFormat): unknown {
  const plain = text.replace(/^\uFEFF/, '');
  try {
    if (format === 'json') return JSON.parse(plain) as unknown;
    if (format === 'yaml') return parseYaml(plain, { prettyErrors: true, logLevel: 'error' }) as unknown;
    return parseToml(plain);
  } catch (cause) {
    // The first line says what and where; the rest shows the text, which may hold what is not for a log.
    const [message] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    throw new FleetError('INVALID_OPTION', `it is not ${format.toUpperCase()}: ${placed(message!, cause)}`, { cause });
  }
}

/** JSON's own message quotes the text, and TOML's says where only in fields of the error. */
function placed(message: string, cause: unknown): string {
  const what = message.replace(/, ?(?:\.\.\.)?".*$/s, '').replace(/:$/, '');
  const { line, column } = (cause ?? {}) as { readonly line?: unknown; readonly column?: unknown };
  return typeof line === 'number' ? `${what}, line ${line}, column ${String(column)}` : what;
}
