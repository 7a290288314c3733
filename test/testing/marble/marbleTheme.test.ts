/** The pictures can be read on a light and on a dark page, by the contrasts that WCAG 2.2 asks for. */

import { marbleColours, marbleTheme } from '../../../src/testing/marble/picture/marbleTheme.js';

/** WCAG 2.2: relative luminance, and the ratio of two of them. */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(a: string, b: string): number {
  const [darker, lighter] = [luminance(a), luminance(b)].sort((one, other) => one - other);
  return (lighter! + 0.05) / (darker! + 0.05);
}

describe.each(Object.entries(marbleColours))('on a %s page', (_, theme) => {
  const { page, card, ink, soft, band, bandInk, wrong, wrongGround, line, span, marbles } = theme;

  it('text can be read', () => {
    for (const [text, ground] of [
      ...[ink, soft, bandInk, wrong].map((text) => [text, page]),
      ...[
        [ink, card],
        [soft, card],
        [bandInk, band],
        [wrong, card],
        [wrong, wrongGround],
      ],
      ...marbles.map(([fill, , letter]) => [letter, fill]),
    ] as [string, string][]) {
      expect(contrast(text, ground), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('lines can be seen', () => {
    for (const stroke of [line, span, wrong, ...marbles.map(([, edge]) => edge)]) {
      for (const ground of [card, wrongGround]) {
        expect(contrast(stroke, ground), `${stroke} on ${ground}`).toBeGreaterThanOrEqual(3);
      }
    }
  });
});

it('a picture is dark where the scheme of its reader is, and loads nothing', () => {
  expect(marbleTheme).toContain('@media(prefers-color-scheme:dark)');
  expect(marbleTheme).not.toMatch(/@import|url\(|@font-face/);
});
