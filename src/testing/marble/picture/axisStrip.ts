/** The axis of time, and its ticks behind the lines. */

import type { Sheet, Strip } from './sheet.js';
import { rounded, svgElement, svgText } from './svgElement.js';

const axisHeight = 24;

export function axisStrip({ origin, scale }: Sheet): Strip {
  return {
    height: axisHeight,
    draw: (y) =>
      scale.ticks
        .filter(({ label }) => label)
        .map(({ x, label }) => svgText('k', origin + x, y + 10, label === '0' ? '0 ms' : label, 'middle'))
        .join(''),
  };
}

/** The ticks, behind what stands between these two heights. */
export function drawGrid({ origin, scale }: Sheet, top: number, bottom: number): string {
  const d = scale.ticks.map(({ x }) => `M${rounded(origin + x)} ${rounded(top)}V${rounded(bottom)}`).join('');
  return svgElement('path', { class: 'g', d });
}
