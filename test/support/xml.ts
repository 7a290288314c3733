/** A strict reader of XML, as far as our pictures use it: what it takes is well-formed. */

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** The text right within it. */
  readonly text: string;
}

const token =
  /<(?<close>\/)?(?<name>[a-zA-Z][\w-]*)(?<attributes>(?:\s+[\w:-]+="[^"<]*")*)\s*(?<empty>\/)?>|(?<text>[^<]+)/gy;
const attribute = /([\w:-]+)="([^"]*)"/g;
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' };
const illegal = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/u;

/** @throws Error for anything that is not one well-formed element. */
export function parsedXml(source: string): XmlElement {
  const text = source.trim();
  if (illegal.test(text)) throw new Error('a character that XML cannot hold');
  const root = { name: '', attributes: {}, children: [] as XmlElement[], text: '' };
  const open = [root];
  let at = 0;
  for (const { index, groups, 0: found } of text.matchAll(token)) {
    if (index !== at) break;
    at += found.length;
    const parent = open.at(-1)!;
    const { close, name = '', attributes = '', empty, text: words } = groups!;
    if (words !== undefined) {
      parent.text += unescaped(words);
    } else if (close) {
      if (parent.name !== name) throw new Error(`</${name}> ends <${parent.name}>`);
      open.pop();
    } else {
      const pairs = [...attributes.matchAll(attribute)].map(([, key, value]) => [key!, unescaped(value!)] as const);
      if (new Set(pairs.map(([key]) => key)).size < pairs.length) throw new Error(`<${name}> has an attribute twice`);
      const element = { name, attributes: Object.fromEntries(pairs), children: [] as XmlElement[], text: '' };
      parent.children.push(element);
      if (!empty) open.push(element);
    }
  }
  if (at < text.length) throw new Error(`no XML: ${text.slice(at, at + 40)}`);
  if (open.length > 1) throw new Error(`<${open.at(-1)!.name}> has no end`);
  if (root.children.length !== 1 || root.text.trim()) throw new Error('not one element');
  return root.children[0]!;
}

/** An element and all within it. */
export function elementsIn(element: XmlElement): readonly XmlElement[] {
  return [element, ...element.children.flatMap(elementsIn)];
}

function unescaped(text: string): string {
  return text.replaceAll(/&(\w*);?/g, (all, name: string) => {
    const character = entities[name];
    if (character === undefined || !all.endsWith(';')) throw new Error(`an & that is not escaped: ${all}`);
    return character;
  });
}
