/** `rxfleet config explain`: what counts in a configuration, and where each of it came from. */

import { explainConfig, type ConfigSources } from '../config/index.js';
import { table, type Terminal } from './terminal.js';

export interface ConfigExplainOptions {
  /** False leaves the environment out. */
  readonly env?: boolean;
  readonly json?: boolean;
}

/** Lists every setting with its value and its origin. Returns the exit code. */
export function configExplain(file: string | undefined, options: ConfigExplainOptions, terminal: Terminal): number {
  const sources: ConfigSources = {
    ...(file === undefined ? {} : { file }),
    ...(options.env === false ? {} : { env: process.env }),
  };
  const settings = explainConfig(sources);
  if (options.json) {
    terminal.line(JSON.stringify(settings, null, 2));
    return 0;
  }
  const rows = settings.map(({ path, value, origin, note }) => [path, JSON.stringify(value), origin, note ?? '']);
  terminal.line(table(['SETTING', 'VALUE', 'FROM', 'NOTE'], rows));
  return 0;
}
