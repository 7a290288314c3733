import { continueText, type SaidText } from '../../src/lumen/continueText.js';
import type { TextPart } from '../../src/lumen/textParts.js';

const part = (text: string, soFar = text): TextPart => ({
  ...{ text, soFar, final: false, continuity: 'exact', model: 'm', node: 'n' },
});
/** What is remembered after these pieces of one node. */
const said = (...pieces: string[]): SaidText => {
  const { begin, see } = continueText();
  return pieces.reduce((seen, text) => see(seen, part(text)), begin({ task: 't', payload: 'p' }));
};
const next = (seen: SaidText, meta: Record<string, string> = {}, payload: string | Uint8Array = 'Once') =>
  continueText().next({ task: 'text_generation', payload, meta }, seen);

describe('continueText', () => {
  it('asks for the rest with what was said, and as many tokens fewer', () => {
    expect(next(said('upon', ' a'), { max_tokens: '10', seed: '7' })).toMatchObject({
      payload: 'Once upon a',
      meta: { max_tokens: '8', seed: '7' },
    });
    expect(next(said('upon'))!.meta).toEqual({});
    expect(next(said(' upon'), {}, new TextEncoder().encode('Once'))!.payload).toBe('Once upon');
  });

  it('asks for nothing when all tokens were said, or too much would have to be carried', () => {
    expect(next(said('upon', ' a'), { max_tokens: '2' })).toBeUndefined();
    const { next: short } = continueText({ maxCarriedChars: 5 });
    expect(short({ task: 't', payload: 'p' }, said('too long'))).toBeUndefined();
  });

  it('joins the words of two nodes with a blank, where both speak in words', () => {
    const { rewrite } = continueText();
    expect(rewrite!(part('time'), said('Once', ' upon'))).toMatchObject({ text: ' time', soFar: 'Once upon time' });
    expect(rewrite!(part(' time'), said('Once', ' upon'))).toMatchObject({ text: ' time' });
    expect(rewrite!(part(', then'), said('Once', ' upon'))).toMatchObject({ text: ', then' });
  });

  it('joins pieces of words without one', () => {
    const { rewrite } = continueText();
    expect(rewrite!(part('berry'), said('the', ' stra', 'w'))).toMatchObject({ text: 'berry' });
  });

  it('leaves what comes after the joint as it is, and says that it is another text', () => {
    const { rewrite } = continueText();
    const later = rewrite!(part(' time', 'a time'), said('Once', ' upon', ' a'));
    expect(later).toMatchObject({ text: ' time', soFar: 'Once upon a time', continuity: 'text' });
  });

  it('refuses numbers that make no sense', () => {
    expect(() => continueText({ maxCarriedChars: 0 })).toThrow('maxCarriedChars');
  });
});
