/** The questions still open about instances of which only a part was heard: each is asked a few times, then let go. */

import { nameKey } from './name.js';
import type { Question } from './packet.js';
import { startDelay } from './querySchedule.js';

/** The first is asked after 20 to 120 ms, since the answer is often on its way; then after 1, 2, 4 and 8 s. */
const tries = 5;
const firstWaitMs = 1_000;

interface FollowUp {
  readonly question: Question;
  asked: number;
  at: number;
}

/** Holds no timer: who owns it calls `due` at `nextAt`. */
export class FollowUps {
  readonly #subjects = new Map<string, Map<string, FollowUp>>();
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** What is open about a subject now, in the place of what was; a question that stays open keeps its turn. */
  set(subject: string, questions: readonly Question[], now: number): void {
    if (questions.length === 0) {
      this.#subjects.delete(subject);
      return;
    }
    const before = this.#subjects.get(subject);
    this.#subjects.set(
      subject,
      new Map(
        questions.map((question) => {
          const key = `${question.type} ${nameKey(question.name)}`;
          return [key, before?.get(key) ?? { question, asked: 0, at: now + startDelay(this.#random) }];
        }),
      ),
    );
  }

  /** Starts again with the questions of a subject that were let go, since it gave a sign of life. */
  again(subject: string, now: number): void {
    for (const followUp of this.#subjects.get(subject)?.values() ?? []) {
      if (followUp.at !== Infinity) continue;
      followUp.asked = 0;
      followUp.at = now + startDelay(this.#random);
    }
  }

  get nextAt(): number {
    let at = Infinity;
    for (const followUps of this.#subjects.values()) {
      for (const followUp of followUps.values()) at = Math.min(at, followUp.at);
    }
    return at;
  }

  /** The questions to ask now, each once; and those that nobody answered, with their subjects, when they are let go. */
  due(now: number): { ask: readonly Question[]; gaveUp: readonly { subject: string; question: Question }[] } {
    const ask = new Map<string, Question>();
    const gaveUp: { subject: string; question: Question }[] = [];
    for (const [subject, followUps] of this.#subjects) {
      for (const [key, followUp] of followUps) {
        if (followUp.at > now) continue;
        if (followUp.asked === tries) {
          followUp.at = Infinity;
          gaveUp.push({ subject, question: followUp.question });
        } else {
          ask.set(key, followUp.question);
          followUp.at = now + firstWaitMs * 2 ** followUp.asked++;
        }
      }
    }
    return { ask: [...ask.values()], gaveUp };
  }
}
