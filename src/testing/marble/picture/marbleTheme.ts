/** The colours of the pictures, for a light and for a dark page. */

type Colours = readonly [fill: string, stroke: string, text: string];

/** How many colours marbles have. */
export const hues = 8;

const light = {
  ...{
    page: '#f5f6f8',
    card: '#ffffff',
    edge: '#dfe3e8',
    ink: '#1f2630',
    soft: '#5b6675',
    grid: '#eef1f4',
    line: '#7b8794',
  },
  ...{ band: '#eef0fd', bandInk: '#3d44b8', wrong: '#c0262d', wrongGround: '#fdeeee', span: '#7a5af0', out: '#aab4c0' },
  marbles: [
    ['#dce9ff', '#2f66d0', '#173a86'],
    ['#ffe6cf', '#b9570f', '#74330a'],
    ['#d8f3de', '#1c7c3c', '#12512a'],
    ['#ece2ff', '#7443d6', '#46218f'],
    ['#fde1f0', '#ad2a7c', '#6d1850'],
    ['#d2f2f0', '#11736c', '#0e4b47'],
    ['#faefc2', '#93640a', '#5f4008'],
    ['#e3e8ef', '#4d5b70', '#26313f'],
  ] as readonly Colours[],
};

const dark: typeof light = {
  ...{
    page: '#0d1015',
    card: '#14181f',
    edge: '#2c343f',
    ink: '#e8ecf2',
    soft: '#a2adbb',
    grid: '#1f262f',
    line: '#8793a1',
  },
  ...{ band: '#22264a', bandInk: '#b9beff', wrong: '#ff8a85', wrongGround: '#3a1d20', span: '#ab94ff', out: '#5b6675' },
  marbles: [
    ['#1a315f', '#82b1ff', '#dfeaff'],
    ['#4b2b12', '#ffb066', '#ffe9d6'],
    ['#143b22', '#69d68e', '#dcf8e5'],
    ['#352360', '#bd9fff', '#ece3ff'],
    ['#4a1a38', '#ff93cd', '#ffe2f2'],
    ['#0e3b39', '#5fd8cd', '#d5f6f3'],
    ['#40340c', '#e9c84f', '#fbf3d0'],
    ['#2b3443', '#a6b6cb', '#e5ecf6'],
  ],
};

const fonts = {
  text: 'font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",Arial,sans-serif',
  code: 'font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace',
};

/** The shapes of everything; the colours come after. */
const shapes = `
.mb text{${fonts.code};font-size:12px}
.mb .t{${fonts.text};font-size:15px;font-weight:600}
.mb .k{font-size:10px}
.mb .n{font-size:10.5px}
.mb .m text{font-weight:700}
.mb .w{font-weight:700}
.mb path,.mb .hl{fill:none;stroke-linecap:round}
.mb .m circle{stroke-width:1.6}
.mb .l{stroke-width:1.6}
.mb .e{stroke-width:2.6}
.mb .x{stroke-width:2.8}
.mb .g{stroke-width:1}
.mb .s{stroke-width:2.4}
.mb .c{stroke-width:1.2;stroke-dasharray:2 3}
.mb .gh circle,.mb path.gh{stroke-dasharray:3 3;stroke-width:1.3}
.mb .r{stroke-width:2}
`;

const colours = (theme: typeof light): string =>
  [
    `.mb .bg{fill:${theme.card};stroke:${theme.edge}}`,
    `.mb text{fill:${theme.ink}}.mb .n,.mb .k{fill:${theme.soft}}`,
    `.mb .g{stroke:${theme.grid}}.mb .l,.mb path.gh{stroke:${theme.line}}.mb .a{fill:${theme.line}}`,
    `.mb .e{stroke:${theme.ink}}.mb .d{fill:${theme.ink}}.mb .x,.mb .r{stroke:${theme.wrong}}.mb .w{fill:${theme.wrong}}`,
    `.mb .wg{fill:${theme.wrongGround}}`,
    `.mb .s{stroke:${theme.span}}.mb .sd{fill:${theme.span}}.mb .c{stroke:${theme.line}}`,
    `.mb .b{fill:${theme.band}}.mb .bt{fill:${theme.bandInk}}`,
    `.mb .br{fill:${theme.card}}.mb .h{stroke:${theme.out};fill:none}`,
    `.mb .gh text{fill:${theme.soft}}.mb .gh circle{fill:${theme.card};stroke:${theme.line}}`,
    `.mb .q circle{fill:${theme.card};stroke:${theme.soft}}`,
    ...theme.marbles.map(
      ([fill, stroke, text], i) =>
        `.mb .m${i} circle,.mb .m${i}.life{fill:${fill};stroke:${stroke}}.mb .m${i} text{fill:${text}}.mb .m${i}.load{fill:${stroke}}`,
    ),
  ].join('\n');

/** Text has a contrast of at least 4.5 to its ground, a line that carries a meaning one of 3. */
export const marbleColours = { light, dark } as const;

/** One stylesheet for any number of pictures, whose outermost class is `mb`; dark where the reader's scheme is dark. */
export const marbleTheme = `${shapes.trim()}
${colours(light)}
@media(prefers-color-scheme:dark){
${colours(dark)}
}`;
