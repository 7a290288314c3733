/** The smallest honest language model: which word came after these two in the text that it has read. */

/** Draws words one after the other. */
export interface NgramModel {
  /** Words that follow those of the prompt, without end; the same for equal prompts and equal chance. */
  words(prompt: string, random: () => number): Generator<string, never>;
}

/**
 * Reads a text. A word is what stands between blanks, so it keeps its punctuation; case and punctuation count for
 * nothing when words are looked up. Half of the time the next word is one that followed the last two in the text, else
 * one that followed the last, each as often as it did; where nothing did, any word that begins a line.
 */
export function ngramModel(text: string): NgramModel {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const starts = lines.map((line) => line.split(' ', 1)[0]!);
  const words = text.split(/\s+/).filter((word) => word !== '');
  const afterOne = new Map<string, string[]>();
  const afterTwo = new Map<string, string[]>();
  for (let i = 1; i < words.length; i++) {
    put(afterOne, plain(words[i - 1]!), words[i]!);
    if (i > 1) put(afterTwo, `${plain(words[i - 2]!)} ${plain(words[i - 1]!)}`, words[i]!);
  }

  return {
    *words(prompt, random) {
      let [before, last] = ['', ...prompt.split(/\s+/)].slice(-2).map(plain) as [string, string];
      for (;;) {
        const likely = random() < 0.5 ? afterTwo.get(`${before} ${last}`) : undefined;
        const choice = likely ?? afterOne.get(last) ?? starts;
        const word = choice[Math.floor(random() * choice.length)]!;
        yield word;
        [before, last] = [last, plain(word)];
      }
    },
  };
}

function put(table: Map<string, string[]>, key: string, word: string): void {
  const list = table.get(key);
  if (list) list.push(word);
  else table.set(key, [word]);
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[^\p{L}\p{N}']+/gu, '');
}
