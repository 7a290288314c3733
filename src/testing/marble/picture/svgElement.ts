/** SVG as text: the same input gives the same bytes. */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element; children are SVG already, and stand as they are. */
export function svgElement(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const given = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? rounded(value) : escaped(value!)}"`)
    .join('');
  return children.length > 0 ? `<${name}${given}>${children.join('')}</${name}>` : `<${name}${given}/>`;
}

/** A line of text; `y` is its middle. */
export function svgText(kind: string, x: number, y: number, text: string, anchor?: 'middle' | 'end'): string {
  return svgElement('text', { class: kind || undefined, x, y, dy: '.35em', 'text-anchor': anchor }, escaped(text));
}

export function svgLine(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return svgElement('path', { class: kind, d: `M${rounded(x1)} ${rounded(y1)}L${rounded(x2)} ${rounded(y2)}` });
}

/** What XML cannot hold, not even escaped: control characters, halves of a pair, and the two that are none. */
const illegal = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/gu;

/** Text as it may stand in an element or an attribute, in SVG and in HTML. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll(illegal, '\ufffd');
}

/** Tenths of a pixel are fine enough. */
export function rounded(value: number): string {
  return String(Math.round(value * 10) / 10);
}
