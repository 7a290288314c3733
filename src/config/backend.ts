/** What a backend is to a configuration: its settings, and what is made of them. */

import type { Discovery } from '../discovery/discovery.js';
import type { Registry } from '../registration/registry.js';
import type { Section, ValuesOf } from './setting.js';
import type { UrlParts } from './urlParts.js';

/** What a URL says, in the words of a configuration. */
export interface UrlSettings {
  /** For `backend_config`, as they were written. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly service?: string | undefined;
  readonly namespace?: string | undefined;
}

/** One backend. */
export interface Backend<S extends Section = any> {
  /** Its name, and the scheme of its URLs. */
  readonly name: string;
  /** Other names of it. */
  readonly aliases: readonly string[];
  /** What stands in `backend_config`, but for the name of the service. */
  readonly section: S;
  /** How its URLs are written, for messages and for help. */
  readonly usage: string;
  readonly discovery: (values: ValuesOf<S>, path: string) => Discovery;
  /** Missing where nobody can register. */
  readonly registry?: (values: ValuesOf<S>, path: string) => Registry;
  /** The settings that stand in the authority and the path of a URL. */
  readonly fromUrl: (parts: UrlParts) => UrlSettings;
  /** True when a user may stand before the hosts of its URLs. */
  readonly takesUser?: boolean;
  /** What differs in a URL from the settings' own defaults. */
  readonly urlDefaults?: Readonly<Record<string, unknown>>;
}

/** A backend; the types of its functions follow from its section. */
export function backendOf<S extends Section>(backend: Backend<S>): Backend<S> {
  return backend;
}
