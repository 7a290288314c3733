/** A credential in a file that somebody else keeps current, such as a token that Kubernetes projects into a pod. */

import { readFile, watch } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  asyncScheduler,
  catchError,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  map,
  merge,
  Observable,
  timer,
} from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import type { CredentialSource, Grant } from './credentialSource.js';

export interface FileCredentialOptions {
  /** How it is named in front of the secret. Default `Bearer`. */
  readonly scheme?: string;
  /** How often the file is looked at where the system does not tell of changes, in milliseconds. Default 10,000. */
  readonly pollMs?: number;
  /** Makes a grant of the text of the file, without the blanks around it. Default: all of it is the secret. */
  readonly read?: (text: string) => Grant;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * The text of a file, read anew when it changes, whether it is written in place, replaced by renaming, or reached
 * through a link that is turned. A file that is missing or empty for a moment leaves the credential before in use.
 *
 * A secret that looks like a JWT ends when that says so (`exp`); one that has ended already is no credential.
 *
 * ```ts
 * createCredentials(fileCredential('/var/run/secrets/tokens/orders'));
 * ```
 *
 * Errors with `UNAVAILABLE` while there is no such file; its name is told, its text is not.
 *
 * @throws FleetError `INVALID_OPTION` for an empty path or an interval under 1 ms.
 */
export function fileCredential(path: string, options: FileCredentialOptions = {}): CredentialSource {
  const { scheme = 'Bearer', pollMs = 10_000, scheduler = asyncScheduler } = options;
  const { read = (secret: string): Grant => ({ secret, scheme, ...endOf(secret) }) } = options;
  requireOption(path !== '', 'path', 'the path of a file', '""');
  requireOption(pollMs >= 1, 'pollMs', 'at least 1', pollMs);
  const name = `credential file ${path}`;
  const understood = (text: string): Grant => {
    try {
      return read(text);
    } catch {
      // What it threw may quote the text.
      throw new FleetError('UNAVAILABLE', `${name} cannot be understood: check its text, or options.read`);
    }
  };

  return {
    name,
    authenticate: () =>
      textOf(path).pipe(
        map((text) => {
          if (text === '') throw new FleetError('UNAVAILABLE', `${name} is empty: write a credential into it`);
          const grant = understood(text);
          if (grant.expiresAt !== undefined && grant.expiresAt <= scheduler.now()) {
            throw new FleetError('UNAVAILABLE', `${name} holds one that has ended: look at who should renew it`);
          }
          return grant;
        }),
      ),
    changes$: merge(timer(0, pollMs, scheduler), folderChanges(path)).pipe(
      exhaustMap(() => textOf(path).pipe(catchError(() => EMPTY))),
      distinctUntilChanged(),
      // The first counts too: it may be newer than what was read before the watch began.
      map(() => undefined),
    ),
  };
}

function textOf(path: string): Observable<string> {
  return new Observable((subscriber) => {
    const reading = new AbortController();
    readFile(path, { encoding: 'utf8', signal: reading.signal }, (error, text) => {
      if (subscriber.closed) return;
      if (error) {
        const message = `credential file ${path} cannot be read (${error.code ?? error.name}): check that it is there`;
        subscriber.error(new FleetError('UNAVAILABLE', message));
      } else {
        subscriber.next(text.trim());
        subscriber.complete();
      }
    });
    return () => reading.abort();
  });
}

/** Emits when something happens in the folder of the file; silent where the system cannot tell. */
function folderChanges(path: string): Observable<unknown> {
  return new Observable<unknown>((subscriber) => {
    try {
      const watcher = watch(dirname(resolve(path)), { persistent: false });
      watcher.on('change', (_type, file) => subscriber.next(file));
      watcher.on('error', () => watcher.close());
      return () => watcher.close();
    } catch {
      return undefined;
    }
  });
}

/** When a JWT says that it ends; nothing for anything else. */
function endOf(secret: string): Pick<Grant, 'expiresAt'> {
  const [, claims, signature, ...more] = secret.split('.');
  if (!claims || !signature || more.length > 0) return {};
  try {
    const { exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
    return typeof exp === 'number' ? { expiresAt: exp * 1_000 } : {};
  } catch {
    return {};
  }
}
