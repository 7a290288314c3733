/** A file of nodes in a configuration. */

import { FleetError } from '../../core/fleetError.js';
import { backendOf } from '../backend.js';
import { lazyDiscovery } from '../lazyDiscovery.js';
import { choice, duration, text } from '../setting.js';

const section = {
  path: text({ aliases: ['file', 'filename'] }),
  /** Default: by the ending. */
  format: choice({ json: [], yaml: ['yml'], toml: [] })(),
  /** How often the file is looked at even where the system tells of no change. */
  poll: duration({ default: 5_000, aliases: ['poll_interval'] }),
};

/** `file`. Read-only. */
export const fileBackend = backendOf({
  name: 'file',
  aliases: [],
  section,
  usage: 'file:nodes.yaml[?poll=5s]',
  // Both file:///etc/nodes.yaml and file:nodes.yaml; file://nodes.yaml is meant as the latter.
  fromUrl: ({ hosts, path }) => ({ settings: { path: hosts.join(',') + path || undefined } }),
  discovery: ({ path, format, poll }, at) => {
    if (path === undefined) throw new FleetError('INVALID_OPTION', `${at}.path must be given: the file with the nodes`);
    const options = { pollMs: poll, ...(format === undefined ? {} : { format }) };
    return lazyDiscovery(() => import('../../discovery/file.js').then(({ file }) => file(path, options)));
  },
});
