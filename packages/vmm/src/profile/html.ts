/** A profile as one HTML file that needs no other: a flame graph, and what happened when. */
import type { Profiler, TimelinePoint } from './profiler.ts';
import { describeProfile, namesOf } from './report.ts';
import type { Symbols } from './symbols.ts';

const WIDTH = 1200;
const ROW = 18;
/** Frames that are narrower are left out. */
const MIN_WIDTH = 0.5;
/** Width of a letter. */
const LETTER = 6.6;
const CHART = 120;

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replace(/[&<>"]/g, (found) => ESCAPES[found]!);

/** A function in the flame graph, under its caller. */
interface Frame {
  readonly name: string;
  count: number;
  readonly callees: Map<string, Frame>;
}

const frame = (name: string): Frame => ({ name, count: 0, callees: new Map() });

function flameOf(profiler: Profiler, symbols: Symbols): Frame {
  const root = frame('all');
  for (const sample of profiler.stacks.values()) {
    let at = root;
    at.count += sample.count;
    for (const name of namesOf(symbols, sample)) {
      const callee = at.callees.get(name) ?? frame(name);
      at.callees.set(name, callee);
      callee.count += sample.count;
      at = callee;
    }
  }
  return root;
}

/** A colour that depends on the name alone. */
function colour(name: string): string {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)!) % 997;
  return `hsl(${hash % 55} 85% ${60 + (hash % 13)}%)`;
}

function drawFlame(root: Frame): string {
  const boxes: string[] = [];
  let depth = 0;
  const draw = ({ name, count, callees }: Frame, x: number, row: number): void => {
    const width = (WIDTH * count) / root.count;
    if (!(width >= MIN_WIDTH)) return;
    depth = Math.max(depth, row + 1);
    const letters = Math.floor((width - 4) / LETTER);
    const share = ((100 * count) / root.count).toFixed(2);
    const text = letters < 3 ? '' : escape(name.length > letters ? `${name.slice(0, letters - 1)}…` : name);
    boxes.push(
      `<g transform="translate(${x.toFixed(1)} ${row * ROW})"><title>${escape(name)}: ${count} samples, ${share} %</title>` +
        `<rect width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colour(name)}"/><text x="2" y="13">${text}</text></g>`,
    );
    let left = x;
    for (const callee of [...callees.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      draw(callee, left, row + 1);
      left += (WIDTH * callee.count) / root.count;
    }
  };
  draw(root, 0, 0);
  return `<svg viewBox="0 0 ${WIDTH} ${depth * ROW}">${boxes.join('')}</svg>`;
}

/** One line of a chart: what a point has more than the one before, per second. */
interface Series {
  readonly name: string;
  readonly of: (point: TimelinePoint) => number;
}

function drawChart(timeline: readonly TimelinePoint[], unit: string, series: readonly Series[]): string {
  const end = timeline.at(-1)?.time ?? 0;
  const rates = series.map(({ of }) =>
    timeline.slice(1).map((point, i) => {
      const before = timeline[i]!;
      return (1e9 * (of(point) - of(before))) / Math.max(1, point.time - before.time);
    }),
  );
  const top = Math.max(1e-9, ...rates.flat());
  const lines = series.map(({ name }, index) => {
    const points = rates[index]!.map((rate, i) => {
      const x = (WIDTH * timeline[i + 1]!.time) / Math.max(1, end);
      return `${x.toFixed(1)},${(CHART - (rate / top) * (CHART - 4)).toFixed(1)}`;
    });
    const stroke = `hsl(${(index * 360) / series.length} 70% 42%)`;
    return (
      `<polyline points="${points.join(' ')}" fill="none" stroke="${stroke}"><title>${escape(name)}</title></polyline>` +
      `<text x="${6 + index * 150}" y="12" fill="${stroke}">${escape(name)}</text>`
    );
  });
  return (
    `<h3>${escape(unit)}, at most ${top.toPrecision(3)}; ${(end / 1e9).toFixed(2)} s</h3>` +
    `<svg viewBox="0 0 ${WIDTH} ${CHART}"><rect width="${WIDTH}" height="${CHART}" fill="#f4f4f4"/>${lines.join('')}</svg>`
  );
}

/** @returns the file's text */
export function profilePage(profiler: Profiler, symbols: Symbols): string {
  const { timeline } = profiler;
  const last = timeline.at(-1);
  const reasons = Object.entries(last?.exits ?? {}).flatMap(([name, count]) => (count > 0 ? [name] : []));
  return `<!doctype html>
<meta charset="utf-8"><title>vkvm profile</title>
<style>body{font:13px sans-serif;max-width:${WIDTH}px;margin:1em auto}svg{width:100%}svg text{font:11px monospace}</style>
<h1>vkvm profile</h1>
<h2>Instructions by guest function</h2>
${drawFlame(flameOf(profiler, symbols))}
<h2>Timeline</h2>
${drawChart(timeline, 'million instructions per second', [
  {
    name: 'interpreted',
    of: ({ instructions, compiledInstructions }) => (instructions - compiledInstructions) / 1e6,
  },
  { name: 'compiled', of: ({ compiledInstructions }) => compiledInstructions / 1e6 },
])}
${drawChart(
  timeline,
  'exits per second',
  reasons.map((name) => ({ name, of: ({ exits }) => exits[name] ?? 0 })),
)}
${drawChart(timeline, 'seconds per second', [
  { name: 'guest code', of: ({ running, compiling }) => (running - compiling) / 1e9 },
  { name: 'waiting for code', of: ({ compiling }) => compiling / 1e9 },
  { name: 'idle', of: ({ idle }) => idle / 1e9 },
])}
<h2>In numbers</h2>
<pre>${escape(describeProfile(profiler, symbols).join('\n'))}</pre>
`;
}
