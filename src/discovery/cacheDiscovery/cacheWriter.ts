/** When the file of a cache is written: changes are gathered, one write runs at a time, and what is right stays young. */

import { Subscription, type SchedulerLike, type Unsubscribable } from 'rxjs';
import type { CacheFile } from './cacheFile.js';
import type { Remembered } from './remembered.js';

export interface CacheWriterOptions {
  readonly scheduler: SchedulerLike;
  readonly writeDelayMs: number;
  /** How often an unchanged set is written again while it is fresh. */
  readonly refreshMs: number;
  readonly onFailure: (message: string, cause: unknown) => void;
}

/** Unsubscribing writes what is not written yet, and ends the timers. */
export class CacheWriter implements Unsubscribable {
  readonly #file: CacheFile;
  readonly #key: string;
  readonly #options: CacheWriterOptions;
  #pending: Remembered | undefined;
  #last: Remembered | undefined;
  #fresh = false;
  #writing = false;
  #failing = false;
  #closed = false;
  #delay: Subscription | undefined;
  #refresh: Subscription | undefined;

  constructor(file: CacheFile, key: string, options: CacheWriterOptions) {
    this.#file = file;
    this.#key = key;
    this.#options = options;
  }

  /** A fresh set. */
  put(remembered: Remembered): void {
    const { scheduler, writeDelayMs } = this.#options;
    this.#pending = this.#last = remembered;
    this.#fresh = true;
    this.#delay ??= scheduler.schedule(() => this.#write(), writeDelayMs);
  }

  /** The source is cut off: what was written is as old as it is. */
  age(): void {
    this.#fresh = false;
  }

  unsubscribe(): void {
    this.#closed = true;
    this.#delay?.unsubscribe();
    this.#refresh?.unsubscribe();
    if (this.#fresh && this.#last) this.#pending = { set: this.#last.set, at: this.#options.scheduler.now() };
    this.#write();
  }

  #write(): void {
    if (!this.#pending || this.#writing) return;
    const { scheduler, refreshMs, onFailure } = this.#options;
    const pending = this.#pending;
    this.#pending = this.#delay = undefined;
    this.#refresh?.unsubscribe();
    this.#writing = true;
    this.#file.save(this.#key, pending).subscribe({
      error: (error: unknown) => {
        this.#writing = false;
        // Told once, not at every try.
        if (!this.#failing) onFailure(`${this.#file.path} cannot be written: ${messageOf(error)}`, error);
        this.#failing = true;
        if (!this.#closed) this.#refresh = scheduler.schedule(() => this.#again(), refreshMs);
      },
      complete: () => {
        this.#writing = this.#failing = false;
        if (this.#closed) this.#write();
        else if (this.#pending) this.#delay ??= scheduler.schedule(() => this.#write(), this.#options.writeDelayMs);
        else this.#refresh = scheduler.schedule(() => this.#again(), refreshMs);
      },
    });
  }

  #again(): void {
    if (this.#fresh && this.#last) this.put({ set: this.#last.set, at: this.#options.scheduler.now() });
    else this.#refresh = this.#options.scheduler.schedule(() => this.#again(), this.#options.refreshMs);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
