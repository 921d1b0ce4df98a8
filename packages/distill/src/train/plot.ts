/** A plot of a training: loss by step on a logarithmic axis, and beneath it what was measured. */
import { PLOTTED } from '../limits.js';
import type { RunRecord } from './record.js';

const [WIDTH, HEIGHT, LEFT, TOP] = [900, 260, 70, 36];
const [RIGHT, GAP] = [20, 70];

interface Panel {
  title: string;
  points: [step: number, value: number][];
  /** is the axis of values logarithmic? */
  logarithmic: boolean;
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const short = (v: number) =>
  Math.abs(v) >= 0.01 && Math.abs(v) < 1e4 ? String(Number(v.toPrecision(4))) : v.toExponential(1);

/** At most `PLOTTED` points, each the mean of those around it. */
function thinned(points: [number, number][]): [number, number][] {
  const every = Math.ceil(points.length / PLOTTED);
  if (every <= 1) return points;
  const out: [number, number][] = [];
  for (let i = 0; i < points.length; i += every) {
    const part = points.slice(i, i + every);
    out.push([part.at(-1)![0], part.reduce((sum, [, v]) => sum + v, 0) / part.length]);
  }
  return out;
}

function drawn({ title, points, logarithmic }: Panel, steps: number, y: number): string {
  const scale = (v: number) => (logarithmic ? Math.log10(Math.max(v, 1e-12)) : v);
  const values = points.map(([, v]) => scale(v));
  // Not by spreading them: a curve of a hundred thousand steps is more arguments than a call takes
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), low + 1e-9);
  const px = (step: number) => LEFT + ((WIDTH - LEFT - RIGHT) * step) / Math.max(steps, 1);
  const py = (v: number) => y + HEIGHT - (HEIGHT * (scale(v) - low)) / (high - low);
  const line = thinned(points).map(([step, v]) => `${px(step).toFixed(1)},${py(v).toFixed(1)}`);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = low + part * (high - low);
    const here = (y + HEIGHT - HEIGHT * part).toFixed(1);
    const value = short(logarithmic ? 10 ** at : at);
    return (
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${here}" y2="${here}" stroke="#ddd"/>` +
      `<text x="${LEFT - 6}" y="${here}" text-anchor="end" dominant-baseline="middle">${value}</text>`
    );
  });
  const dots =
    points.length <= 60 ? line.map((p) => `<circle cx="${p.replace(',', '" cy="')}" r="2.5"/>`).join('') : '';
  return (
    `<text x="${LEFT}" y="${y - 10}" font-weight="bold">${escaped(title)}</text>${ticks.join('')}` +
    `<g fill="#1f5fa8"><polyline points="${line.join(' ')}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>` +
    `${dots}</g>` +
    `<text x="${LEFT}" y="${y + HEIGHT + 18}">0</text>` +
    `<text x="${WIDTH - RIGHT}" y="${y + HEIGHT + 18}" text-anchor="end">step ${steps}</text>`
  );
}

/** The plot, as an SVG document. */
export function plotOf(record: RunRecord): string {
  const panels: Panel[] = [];
  for (const stage of new Set(record.curve.map((p) => p.stage))) {
    const points = record.curve.filter((p) => p.stage === stage);
    panels.push({
      title: `loss, ${stage}`,
      points: points.map((p) => [p.step, p.losses.total!]),
      logarithmic: true,
    });
  }
  const names = new Set(record.evaluations.flatMap((e) => Object.keys(e.metrics)));
  for (const name of names) {
    const points = record.evaluations.map((e): [number, number] => [e.step, e.metrics[name as 'f1']!]);
    panels.push({ title: `${name} on the development set`, points, logarithmic: false });
  }
  const height = TOP + Math.max(1, panels.length) * (HEIGHT + GAP);
  const body = panels.map((panel, i) => drawn(panel, record.steps, TOP + i * (HEIGHT + GAP)));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="sans-serif" font-size="12">\n` +
    `<title>${record.task}: loss and measures by step</title>\n<rect width="100%" height="100%" fill="#fff"/>\n` +
    `${body.join('\n')}\n</svg>\n`
  );
}
