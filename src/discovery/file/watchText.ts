/** The text of a file as it changes: by the word of the system, and by looking now and then. */

import { readFile, stat, watch, type BigIntStats, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { Observable, type Observer, type SchedulerLike, type Subscription, type Unsubscribable } from 'rxjs';

export interface WatchTextOptions {
  /** `Infinity`: by the word of the system alone. */
  readonly pollMs: number;
  /** How long the file must have stayed the same before it is read. */
  readonly settleMs: number;
  readonly scheduler: SchedulerLike;
}

/** What the file holds now, or why that cannot be said. */
export interface FileText {
  readonly text?: string;
  readonly error?: unknown;
}

/** The text now and after each change, and each failure. Never ends by itself. */
export function watchText(path: string, options: WatchTextOptions): Observable<FileText> {
  return new Observable((subscriber) => new FileWatch(path, options, subscriber));
}

/** A file that is written without a pause is read all the same, after so many looks. */
const maxLooks = 40;

/**
 * Watches the folder, not the file: a file that is replaced by rename, or reached through a link that is switched, is
 * another one each time. Which events come is the system's affair; each only makes it look.
 */
class FileWatch implements Unsubscribable {
  readonly #path: string;
  readonly #options: WatchTextOptions;
  readonly #observer: Observer<FileText>;
  /** The form of the file that was told last. */
  #told: string | undefined;
  #looking = false;
  #again = false;
  #closed = false;
  #folder: FSWatcher | undefined;
  #poll: Subscription | undefined;
  #settling: Subscription | undefined;

  constructor(path: string, options: WatchTextOptions, observer: Observer<FileText>) {
    this.#path = path;
    this.#options = options;
    this.#observer = observer;
    this.#look();
    if (options.pollMs < Infinity) this.#pollLater();
  }

  unsubscribe(): void {
    this.#closed = true;
    this.#folder?.close();
    this.#poll?.unsubscribe();
    this.#settling?.unsubscribe();
  }

  #pollLater(): void {
    const { scheduler, pollMs } = this.#options;
    this.#poll = scheduler.schedule(() => {
      this.#look();
      this.#pollLater();
    }, pollMs);
  }

  #look(): void {
    if (this.#closed) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    this.#watchFolder();
    this.#see((seen) => {
      if (seen === this.#told) this.#looked();
      else this.#settle(seen, 1);
    });
  }

  /** Waits until two looks agree, and reads. */
  #settle(first: string, looks: number): void {
    const { scheduler, settleMs } = this.#options;
    this.#settling = scheduler.schedule(() => {
      this.#see((second, error) => {
        if (second !== first && looks < maxLooks) this.#settle(second, looks + 1);
        else if (error) this.#tell(second, { error });
        else this.#read(second, looks);
      });
    }, settleMs);
  }

  #read(seen: string, looks: number): void {
    readFile(this.#path, 'utf8', (error, text) => {
      if (this.#closed) return;
      // Written while it was read: what was read may be half of each.
      this.#see((after) => {
        if (after !== seen && looks < maxLooks) this.#settle(after, looks + 1);
        else if (error) this.#tell(undefined, { error });
        else this.#tell(seen, { text });
      });
    });
  }

  /** @param seen Undefined when the next look should try again whatever it sees. */
  #tell(seen: string | undefined, text: FileText): void {
    this.#told = seen;
    this.#observer.next(text);
    this.#looked();
  }

  #looked(): void {
    this.#looking = false;
    if (!this.#again) return;
    this.#again = false;
    this.#look();
  }

  #see(done: (seen: string, error: unknown) => void): void {
    stat(this.#path, { bigint: true }, (error, stats) => {
      if (this.#closed) return;
      // To read a pipe or a device may never end.
      const trouble = error ?? (stats.isFile() ? undefined : new Error('it is no file'));
      done(trouble ? `! ${error?.code}` : signature(stats), trouble);
    });
  }

  /** Where the folder cannot be watched, or the file is not there, each look tries anew: the folder may be another now. */
  #watchFolder(): void {
    if (this.#folder && !this.#told?.startsWith('!')) return;
    this.#folder?.close();
    this.#folder = undefined;
    try {
      const folder = watch(dirname(this.#path), () => this.#look());
      this.#folder = folder;
      folder.on('error', () => {
        folder.close();
        if (this.#folder === folder) this.#folder = undefined;
      });
    } catch {
      // No such folder, or no more watches to be had: the looks now and then remain.
    }
  }
}

/** Changes with every change of the file, also within one tick of its clock where its length or place changes. */
function signature({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
