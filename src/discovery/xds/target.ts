/** What a query asks the control plane for. */

import { requireOption } from '../../core/requireOption.js';
import type { Bootstrap, XdsServer } from './bootstrap.js';

/** A service behind a listener, or a cluster straight away. */
export type Target = (
  | { readonly cluster: string; readonly listener?: undefined; readonly host?: undefined }
  | {
      readonly cluster?: undefined;
      readonly listener: string;
      /** What virtual hosts are chosen by. */
      readonly host: string;
    }
) & {
  /** The control planes to ask, in order. */
  readonly servers: readonly XdsServer[];
};

/**
 * `xds:///service`, `xds://authority/service`, a bare `service`, or `cluster:name`. gRFC A27, A47.
 *
 * @throws FleetError `INVALID_OPTION` for a service that names nothing, or an authority that the bootstrap lacks.
 */
export function targetOf(service: string, bootstrap: Bootstrap, asCluster: boolean): Target {
  const { servers } = bootstrap;
  const named = /^cluster:(.*)$/s.exec(service);
  if (asCluster || named) {
    const cluster = named ? named[1]! : service;
    requireOption(cluster !== '', 'service', 'the name of a cluster', `"${service}"`);
    return { cluster, servers };
  }
  const uri = /^xds:(?:\/\/([^/]*)\/)?(.*)$/s.exec(service);
  const [authority, host] = uri ? [uri[1] ?? '', uri[2]!] : ['', service];
  requireOption(host !== '', 'service', 'xds:///name, xds://authority/name, cluster:name or a name', `"${service}"`);
  if (authority === '') return { listener: filled(bootstrap.listenerTemplate, host), host, servers };
  const known = bootstrap.authorities.get(authority);
  requireOption(known !== undefined, 'service', 'of an authority that the bootstrap names', `"${service}"`);
  return { listener: filled(known!.listenerTemplate, host), host, servers: known!.servers ?? servers };
}

/** In a name of the new style the service is a part of a URI. */
function filled(template: string, host: string): string {
  const text = template.startsWith('xdstp:') ? host.split('/').map(encodeURIComponent).join('/') : host;
  return template.replaceAll('%s', () => text);
}
