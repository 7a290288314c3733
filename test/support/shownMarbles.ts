/** The cases whose pictures are committed, since the README shows them, and how they are held up to date. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { marbleSvg } from '../../src/testing/marble/picture/marbleSvg.js';
import type { MarbleRecord } from '../../src/testing/marble/marbleRecord.js';
import { has, root } from './source.js';

export const committed = 'marbles/pictures';

/** By the name of the picture: the file of the case, and its title. */
export const shown: Readonly<Record<string, readonly [file: string, title: string]>> = {
  merge: [
    'marbles/discovery/mergeDiscovery.marbles.ts',
    'a source that fails leaves its last set as stale, and the others go on',
  ],
  turn: ['marbles/balancer/roundRobin.marbles.ts', 'a node that dies mid-turn gives its turn to the next'],
  load: ['marbles/balancer/leastLoaded.marbles.ts', 'the node whose call ends takes the next'],
  failover: ['marbles/call/failover.marbles.ts', 'a source that fails before its first value gives way to the second'],
  spoken: ['marbles/call/retry.marbles.ts', 'a stream that has spoken is not repeated: no token comes twice'],
  retry: [
    'marbles/call/retry.marbles.ts',
    'a failed attempt is followed by another, on another node, after the backoff',
  ],
  breaker: [
    'marbles/call/circuitBreaker.marbles.ts',
    'a fleet of one: refused at once while open, then one call to see, which closes it',
  ],
  resume: [
    'marbles/call/resume.marbles.ts',
    'a stream that breaks goes on with what is missing, on another node: no gap, no repeat',
  ],
  outlier: [
    'marbles/health/outlierDetection.marbles.ts',
    'a node far below the others is out for a while, then in again',
  ],
  heartbeats: [
    'marbles/registration/register.marbles.ts',
    'heartbeats go at a third of the life, and each counts from its sending',
  ],
  lease: [
    'marbles/registration/register.marbles.ts',
    'what a registry has forgotten is lost at once, and put in again',
  ],
};

export const pathOf = (name: string): string => `${committed}/${name}.svg`;

/** The name of the committed picture of a case; undefined for a case that has none. */
export function nameOf({ file, title }: MarbleRecord): string | undefined {
  return Object.keys(shown).find((name) => shown[name]![0] === file && shown[name]![1] === title);
}

/** As it is written down. */
export const pictureOf = (record: MarbleRecord): string => `${marbleSvg(record)}\n`;

/** What is committed; empty when nothing is. */
export function committedPicture(name: string): string {
  return has(pathOf(name)) ? readFileSync(join(root, pathOf(name)), 'utf8') : '';
}

/** Renews the committed picture of a case that passed, if it has one. */
export function renew(record: MarbleRecord): void {
  const name = record.passed ? nameOf(record) : undefined;
  if (name && committedPicture(name) !== pictureOf(record)) writeFileSync(join(root, pathOf(name)), pictureOf(record));
}
