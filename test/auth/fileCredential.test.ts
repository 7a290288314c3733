/** A credential in a real file, that is rotated in each of the ways in which files are. */

import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { filter, firstValueFrom, ReplaySubject, timeout, type Subscription } from 'rxjs';
import { createCredentials, type CredentialEvent, type Credentials } from '../../src/auth/createCredentials.js';
import { fileCredential, type FileCredentialOptions } from '../../src/auth/fileCredential.js';
import type { Credential } from '../../src/core/credential.js';
import type { FleetError } from '../../src/core/fleetError.js';

let folder: string;
let path: string;
let credentials: Credentials;
let life: Subscription | undefined;
const events: CredentialEvent[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rxfleet-credential-'));
  path = join(folder, 'token');
  events.length = 0;
});
afterEach(async () => {
  life?.unsubscribe();
  credentials.close();
  await rm(folder, { recursive: true });
});

function open(options: FileCredentialOptions = {}) {
  const source = fileCredential(path, { pollMs: 50, ...options });
  credentials = createCredentials(source, {
    onEvent: (event) => events.push(event),
    backoff: { initialBackoffMs: 50 },
  });
  return credentials;
}
function follow(options: FileCredentialOptions = {}): (secret: string) => Promise<Credential> {
  const came$ = new ReplaySubject<Credential>();
  life = open(options).credential$.subscribe(came$);
  return (secret) =>
    firstValueFrom(
      came$.pipe(
        filter((each) => each.secret === secret),
        timeout(5_000),
      ),
    );
}
const jwt = (exp: number) =>
  ['{"alg":"none"}', JSON.stringify({ exp })].map((part) => Buffer.from(part).toString('base64url')).join('.') + '.sig';

describe('fileCredential', () => {
  it('is the text of the file, without the blanks around it', async () => {
    await writeFile(path, '  first\n');
    expect(await firstValueFrom(open({ scheme: 'Token' }).valid())).toMatchObject({
      ...{ secret: 'first', scheme: 'Token', expiresAt: Infinity },
    });
  });

  it('follows a file that is written anew in place', async () => {
    await writeFile(path, 'first');
    const came = follow();
    await came('first');
    await writeFile(path, 'second');
    await came('second');
  });

  it('follows a file that is replaced by renaming', async () => {
    await writeFile(path, 'first');
    const came = follow();
    await came('first');
    await writeFile(join(folder, 'next'), 'second');
    await rename(join(folder, 'next'), path);
    await came('second');
  });

  it('follows a link that is turned, as Kubernetes turns it', async () => {
    await writeFile(join(folder, 'a'), 'first');
    await writeFile(join(folder, 'b'), 'second');
    await symlink(join(folder, 'a'), path);
    const came = follow();
    await came('first');
    await symlink(join(folder, 'b'), join(folder, 'turned'));
    await rename(join(folder, 'turned'), path);
    await came('second');
  });

  it('is followed also for those who only ask for a valid one', async () => {
    await writeFile(path, 'first');
    const opened = open();
    await firstValueFrom(opened.valid());
    await writeFile(path, 'second');
    const end = Date.now() + 5_000;
    while ((await firstValueFrom(opened.valid())).secret !== 'second') {
      expect(Date.now()).toBeLessThan(end);
      await new Promise((done) => setTimeout(done, 10));
    }
  });

  it('keeps the last one while the file is empty or away, and takes up the next', async () => {
    await writeFile(path, 'first');
    const came = follow();
    await came('first');
    await unlink(path);
    await writeFile(path, '');
    await new Promise((done) => setTimeout(done, 200));
    expect(credentials.current?.secret).toBe('first');
    await writeFile(path, 'third');
    await came('third');
  });

  it('waits for a file that is not there yet', async () => {
    const came = follow();
    await new Promise((done) => setTimeout(done, 100));
    await writeFile(path, 'late');
    await came('late');
    expect(events[0]).toMatchObject({
      type: 'failed',
      message: expect.stringContaining(`${path} cannot be read (ENOENT)`),
    });
  });

  it('believes a JWT when that says that it ends', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    await writeFile(path, jwt(exp));
    const { expiresAt } = await firstValueFrom(open().valid());
    // An allowance of 30 s for clocks that differ.
    expect(expiresAt).toBe(exp * 1_000 - 30_000);
  });

  it('does not use one that has ended', async () => {
    await writeFile(path, jwt(1_000));
    const error = await firstValueFrom(open().valid()).catch((thrown: FleetError) => thrown);
    expect(error).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining(`${path} holds one that has ended`),
    });
  });

  it('never shows the text of the file, also when that cannot be understood', async () => {
    await writeFile(path, 'hunter2hunter2');
    const read = (text: string) => {
      throw new Error(`cannot read ${text}`);
    };
    const error = await firstValueFrom(open({ read }).valid()).catch((thrown: FleetError) => thrown);
    const printed = [error, ...events].map((each) => inspect(each, { depth: Infinity }) + JSON.stringify(each)).join();
    expect(printed).toContain('cannot be understood');
    expect(printed).not.toContain('hunter2');
  });
});
