/** The box that everything passes through, with the name of what is tested. */

import { sizes, type Sheet } from './sheet.js';
import { svgElement, svgText } from './svgElement.js';

export const bandHeight = 26;

/** @param y the upper edge of its strip. */
export function drawBand(sheet: Sheet, y: number, name: string): string {
  const area = { x: sheet.left - 8, y: y + 2, width: sheet.right - sheet.left + 16, height: bandHeight - 4, rx: 7 };
  const middle = sheet.left - 8 + area.width / 2;
  return (
    svgElement('rect', { class: 'b', ...area }) +
    svgText(
      'bt',
      Math.max(middle, sheet.left + (name.length * sizes.character) / 2),
      y + bandHeight / 2,
      name,
      'middle',
    )
  );
}
