/** All cases on one page, folder by folder: it needs no other file, no network and no script. */

import type { MarbleRecord } from './marbleRecord.js';
import { marbleFigure, marbleHatch } from './picture/marbleSvg.js';
import { marbleColours, marbleTheme } from './picture/marbleTheme.js';
import { escaped } from './picture/svgElement.js';
import { shelved, type Shelf } from './shelved.js';

export interface MarblePageOptions {
  /** Default `Marbles`. */
  readonly title?: string;
  /** Folders in the order in which they are to be read, each with the question that it answers; others follow by name. */
  readonly folders?: Readonly<Record<string, string>>;
}

/** The page as HTML, light or dark as its reader's scheme is; the same records give the same text. */
export function marblePage(records: readonly MarbleRecord[], options: MarblePageOptions = {}): string {
  const { title = 'Marbles', folders = {} } = options;
  const shelves = shelved(records, Object.keys(folders));
  const failed = shelves.flatMap(({ files }) =>
    files.flatMap(({ cases }) => cases.filter((each) => !each.record.passed)),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)}</title>
<style>
${style}
${marbleTheme}
</style>
</head>
<body>
<svg class="mb hidden" aria-hidden="true"><defs>${marbleHatch}</defs></svg>
<nav aria-label="Cases">
<p class="home"><a href="#top">${escaped(title)}</a></p>
${shelves.map(navigation).join('\n')}
</nav>
<main id="top">
<header>
<h1>${escaped(title)}</h1>
<p>${records.length} cases, drawn as they were run. ${failed.length > 0 ? `<strong class="failed">${failed.length} failed.</strong>` : 'All passed.'}</p>
${failed.length > 0 ? `<ul class="failures">${failed.map(({ record, id }) => `<li><a href="#${id}">${escaped(record.title)}</a></li>`).join('')}</ul>` : ''}
${key}
</header>
${shelves.map((shelf) => section(shelf, folders[shelf.folder] ?? '')).join('\n')}
</main>
</body>
</html>
`;
}

function navigation({ folder, files }: Shelf): string {
  const links = files.map(({ name, id, cases }) => {
    const count = cases.length;
    return `<li><a href="#${id}">${escaped(name)}</a> <span>${count}</span></li>`;
  });
  return `<details open><summary>${escaped(folder || 'cases')}</summary><ul>${links.join('')}</ul></details>`;
}

function section({ folder, id, files }: Shelf, question: string): string {
  const heading = folder ? `<h2 id="${id}">${escaped(folder)}</h2>` : '';
  const asked = question ? `<p class="question">${escaped(question)}</p>` : '';
  return `<section>\n${heading}${asked}\n${files.map(filePart).join('\n')}\n</section>`;
}

function filePart({ name, id, cases }: Shelf['files'][number]): string {
  let heading = '';
  const parts = cases.map(({ record, id: caseId }) => {
    // A heading that only repeats the name of the file says nothing.
    const suites = record.suites.filter((suite) => suite !== name.split('/').at(-1)).join(' · ');
    const changed = suites !== heading;
    heading = suites;
    return `${changed && suites ? `</div><h4>${escaped(suites)}</h4><div class="cases">` : ''}${figure(record, caseId)}`;
  });
  return `<h3 id="${id}"><a href="#${id}">${escaped(name)}</a></h3>\n<div class="cases">${parts.join('\n')}</div>`.replaceAll(
    '<div class="cases"></div>',
    '',
  );
}

function figure(record: MarbleRecord, id: string): string {
  const mark = record.passed ? '' : '<strong class="failed">failed: </strong>';
  const svg = marbleFigure(record);
  return `<figure id="${id}"${record.passed ? '' : ' class="wrong"'}><figcaption>${mark}<a href="#${id}">${escaped(record.title)}</a></figcaption>${svg}</figure>`;
}

const key = `<details class="key"><summary>How to read the pictures</summary><dl>
<dt>a line</dt><dd>time, from left to right. Above the box stands what went in, below it what came out.</dd>
<dt>a circle</dt><dd>a value; what its letter stands for is told below the lines. Several at one moment stand one below the other.</dd>
<dt>a bar across the line</dt><dd>the end</dd>
<dt>a cross</dt><dd>an error</dd>
<dt>a dot where a line begins</dt><dd>somebody subscribes. A cold source begins anew each time.</dd>
<dt>an exclamation mark</dt><dd>somebody unsubscribes. Below the line of a hot source a bar shows who listened, and from when to when.</dd>
<dt>two strokes</dt><dd>a long wait that is left out</dd>
<dt>a dashed line</dt><dd>a source that nobody subscribed to, and what it would have said</dd>
<dt>broad bars</dt><dd>the lives of nodes, hatched while a node takes no calls. A dashed line leads from each call to the node that got it; a strip at the foot of a bar shows the calls in flight.</dd>
</dl></details>`;

function variables({ page, card, edge, ink, soft, bandInk, wrong }: (typeof marbleColours)['light']): string {
  return `--page:${page};--card:${card};--edge:${edge};--ink:${ink};--soft:${soft};--link:${bandInk};--wrong:${wrong}`;
}

const style = `
:root{${variables(marbleColours.light)}}
@media(prefers-color-scheme:dark){:root{${variables(marbleColours.dark)}}}
*{box-sizing:border-box}
html{scroll-padding-top:12px}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",Arial,sans-serif;display:grid;grid-template-columns:250px minmax(0,1fr)}
a{color:inherit;text-decoration:none}a:hover{text-decoration:underline}a:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:2px}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:18px 14px 40px 20px;border-right:1px solid var(--edge);font-size:13.5px}
nav .home{margin:0 0 10px;font-weight:600}nav ul{list-style:none;margin:2px 0 8px;padding:0 0 0 14px}nav summary{font-weight:600;cursor:pointer}nav span{color:var(--soft);font-size:12px}nav li{overflow-wrap:anywhere}
main{padding:18px 28px 80px;min-width:0}
h1{font-size:26px;margin:0 0 4px}h2{font-size:22px;margin:44px 0 0;padding-top:14px;border-top:1px solid var(--edge)}h3{font-size:17px;margin:26px 0 10px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}h4{font-size:14px;margin:18px 0 8px;color:var(--soft);font-weight:600}
header p,.question{margin:0;color:var(--soft)}
.key{margin-top:12px}.key summary{cursor:pointer;color:var(--link)}.key dl{display:grid;grid-template-columns:max-content minmax(0,46em);gap:4px 16px;margin:8px 0}.key dt{font-weight:600}.key dd{margin:0}
.cases{display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start}
section{content-visibility:auto;contain-intrinsic-size:auto 3000px}
figure{margin:0;max-width:100%;background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:12px 0 6px}
figure:target{outline:2px solid var(--link)}
figcaption{contain:inline-size;padding:0 20px;font-weight:600;text-wrap:pretty}
figure svg{display:block;max-width:100%;height:auto}
.wrong{border-color:var(--wrong)}.failed{color:var(--wrong)}
.hidden{position:absolute;width:0;height:0}
@media(max-width:900px){body{display:block}nav{position:static;height:auto;max-height:36vh;border-right:0;border-bottom:1px solid var(--edge)}nav ul{columns:2}main{padding:14px}.key dl{display:block}.key dd{margin-bottom:6px}}
@media print{body{display:block}nav{display:none}figure{break-inside:avoid}}
`.trim();
