// The pictures of render/image.ts computed by the processor, for machines whose WebGL2 is software:
// there a shader costs ten times what these loops do. Placement, interpolation, filter, padding and
// grey levels are the same to within one level, which tests/browser/pixels.test.ts holds both to.

import { invert } from "../geometry/view";
import { colormap } from "../pixels/colormap";
import type { Values } from "../pixels/pixels";
import { grey, type Voi } from "../pixels/voi";
import { boundsOf, type ImageDrawing } from "./image";

const BLACK = 0xff000000; // RGBA in memory, as every processor that browsers run on reads it

/** Interleaved samples with `border` more pixels around them than the image has. */
interface Samples {
  readonly values: Values;
  readonly stride: number; // samples in a row
  readonly border: number;
}

/** Fills `out`, `width` x `height` device pixels of a pane, `ratio` of them a CSS pixel. */
export function drawOnProcessor(out: Uint32Array, width: number, height: number, ratio: number, drawing: ImageDrawing): void {
  const { pixels, interpolate, filter } = drawing;
  const { samples, reduced } = pixels;
  const [a, b, c, d, e, f] = invert(drawing.imageToScreen);
  const shift = 0.5 - 0.5 / reduced;
  const scale = 1 / (ratio * reduced);
  const [ax, bx, cy, dy] = [a * scale, b * scale, c * scale, d * scale];
  const [ex, fy] = [e / reduced + shift, f / reduced + shift];
  const [left, top, right, bottom] = boundsOf(drawing);
  const source = filter === 0 ? plain(drawing) : filtered(drawing);
  const straight = b === 0 && c === 0;
  const row = new Float64Array(width * samples);
  const blended = new Float64Array(source.stride);
  const columns = straight ? columnsOf(width, ax, ex, left, right, drawing, source) : undefined;
  const shade = shaderOf(drawing);
  const padded = paddingOf(drawing);
  for (let y = 0; y < height; y++) {
    const at = y * width;
    const px0 = ax * 0.5 + cy * (y + 0.5) + ex;
    const py0 = bx * 0.5 + dy * (y + 0.5) + fy;
    if (columns && (py0 < top || py0 >= bottom || columns.from >= columns.to)) {
      out.fill(BLACK, at, at + width);
      continue;
    }
    if (columns) {
      blendRows(blended, source, py0, pixels.rows, interpolate);
      alongRow(row, blended, columns, samples);
      out.fill(BLACK, at, at + columns.from);
      shade(out, at, row, columns.from, columns.to);
      out.fill(BLACK, at + columns.to, at + width);
    } else {
      across(row, source, width, px0, py0, ax, bx, drawing);
      shade(out, at, row, 0, width);
      for (let x = 0; x < width; x++) {
        const [px, py] = [px0 + ax * x, py0 + bx * x];
        if (px < left || px >= right || py < top || py >= bottom) out[at + x] = BLACK;
      }
    }
    if (padded) for (let x = 0; x < width; x++) if (padded(px0 + ax * x, py0 + bx * x)) out[at + x] = BLACK;
  }
}

const clamp = (v: number, low: number, high: number): number => (v < low ? low : v > high ? high : v);

const plain = ({ pixels }: ImageDrawing): Samples => ({ values: pixels.values, stride: pixels.columns * pixels.samples, border: 0 });

/** Smoothed or sharpened, with a border, because the filter of an edge pixel looks beyond it. */
function filtered({ pixels: { values, columns, rows, samples }, filter }: ImageDrawing): Samples {
  const stride = (columns + 2) * samples;
  const out = new Float32Array(stride * (rows + 2));
  const near = new Int32Array(3);
  for (let y = -1; y <= rows; y++) {
    for (let n = -1; n <= 1; n++) near[n + 1] = clamp(y + n, 0, rows - 1) * columns;
    for (let x = -1; x <= columns; x++) {
      const [west, here, east] = [clamp(x - 1, 0, columns - 1), clamp(x, 0, columns - 1), clamp(x + 1, 0, columns - 1)];
      for (let s = 0; s < samples; s++) {
        const value = (line: number, column: number): number => values[(near[line]! + column) * samples + s]!;
        const around =
          (value(1, east) + value(1, west) + value(2, here) + value(0, here)) * 0.15 +
          (value(2, east) + value(0, west) + value(0, east) + value(2, west)) * 0.1;
        out[(y + 1) * stride + (x + 1) * samples + s] = value(1, here) + filter * (value(1, here) - around);
      }
    }
  }
  return { values: out, stride, border: 1 };
}

/** For every column of an upright picture: between which samples it lies, and where. */
interface Columns {
  readonly from: number; // first column within the picture
  readonly to: number;
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly part: Float64Array;
}

function columnsOf(
  width: number,
  step: number,
  offset: number,
  left: number,
  right: number,
  { pixels: { columns, samples }, interpolate }: ImageDrawing,
  { border }: Samples,
): Columns {
  const [first, second, part] = [new Int32Array(width), new Int32Array(width), new Float64Array(width)];
  let [from, to] = [width, 0];
  for (let x = 0; x < width; x++) {
    const p = step * (x + 0.5) + offset;
    if (p < left || p >= right) continue;
    from = Math.min(from, x);
    to = x + 1;
    const q = interpolate ? p - 0.5 : p;
    const i = Math.floor(q);
    first[x] = (clamp(i, -border, columns - 1 + border) + border) * samples;
    second[x] = (clamp(i + 1, -border, columns - 1 + border) + border) * samples;
    part[x] = interpolate ? q - i : 0;
  }
  return { from, to, first, second, part };
}

function blendRows(out: Float64Array, { values, stride, border }: Samples, p: number, rows: number, interpolate: boolean): void {
  const q = interpolate ? p - 0.5 : p;
  const j = Math.floor(q);
  const part = interpolate ? q - j : 0;
  const above = (clamp(j, -border, rows - 1 + border) + border) * stride;
  const below = (clamp(j + 1, -border, rows - 1 + border) + border) * stride;
  if (part === 0) for (let i = 0; i < stride; i++) out[i] = values[above + i]!;
  else for (let i = 0; i < stride; i++) out[i] = values[above + i]! + (values[below + i]! - values[above + i]!) * part;
}

function alongRow(out: Float64Array, row: Float64Array, { from, to, first, second, part }: Columns, samples: number): void {
  // Most pictures are grey, and this is where drawing spends its time: no inner loop for them.
  if (samples === 1) {
    for (let x = from; x < to; x++) {
      const value = row[first[x]!]!;
      out[x] = value + (row[second[x]!]! - value) * part[x]!;
    }
    return;
  }
  for (let x = from; x < to; x++)
    for (let s = 0; s < samples; s++) {
      const value = row[first[x]! + s]!;
      out[x * samples + s] = value + (row[second[x]! + s]! - value) * part[x]!;
    }
}

/** A row of a picture that is turned. */
function across(
  out: Float64Array,
  { values, stride, border }: Samples,
  width: number,
  px0: number,
  py0: number,
  ax: number,
  bx: number,
  { pixels: { columns, rows, samples }, interpolate }: ImageDrawing,
): void {
  const half = interpolate ? 0.5 : 0;
  for (let x = 0; x < width; x++) {
    const [qx, qy] = [px0 + ax * x - half, py0 + bx * x - half];
    const [i, j] = [Math.floor(qx), Math.floor(qy)];
    const west = (clamp(i, -border, columns - 1 + border) + border) * samples;
    const east = (clamp(i + 1, -border, columns - 1 + border) + border) * samples;
    const north = (clamp(j, -border, rows - 1 + border) + border) * stride;
    const south = (clamp(j + 1, -border, rows - 1 + border) + border) * stride;
    const [u, v] = interpolate ? [qx - i, qy - j] : [0, 0];
    for (let s = 0; s < samples; s++) {
      const upper = values[north + west + s]! + (values[north + east + s]! - values[north + west + s]!) * u;
      const lower = values[south + west + s]! + (values[south + east + s]! - values[south + west + s]!) * u;
      out[x * samples + s] = upper + (lower - upper) * v;
    }
  }
}

type Shade = (out: Uint32Array, at: number, row: Float64Array, from: number, to: number) => void;

/** Stored values of a row to colours: rescale, VOI, inversion, colour map. */
function shaderOf({ pixels: { samples }, rescale, voi, inverse, colormap: name }: ImageDrawing): Shade {
  const [slope, intercept] = samples === 3 ? [1, 0] : rescale;
  const level = levelOf(voi, slope, intercept, inverse);
  if (samples === 3)
    return (out, at, row, from, to) => {
      for (let x = from; x < to; x++)
        out[at + x] = BLACK | (level(row[x * 3 + 2]!) << 16) | (level(row[x * 3 + 1]!) << 8) | level(row[x * 3]!);
    };
  const colours = new Uint32Array(colormap(name).buffer);
  const line = lineOf(voi, slope, intercept, inverse);
  if (line)
    return (out, at, row, from, to) => {
      const [factor, offset] = line;
      for (let x = from; x < to; x++) {
        const g = row[x]! * factor + offset;
        out[at + x] = colours[g <= 0 ? 0 : g >= 255 ? 255 : (g + 0.5) | 0]!;
      }
    };
  return (out, at, row, from, to) => {
    for (let x = from; x < to; x++) out[at + x] = colours[level(row[x]!)]!;
  };
}

/** Grey levels, 0 to 255, as a straight line of stored values, where the VOI is one. */
function lineOf(voi: Voi, slope: number, intercept: number, inverse: boolean): readonly [factor: number, offset: number] | undefined {
  if (voi.kind !== "window" || voi.shape === "SIGMOID" || (voi.shape === "LINEAR" && voi.width <= 1)) return undefined;
  const [center, width] = voi.shape === "LINEAR" ? [voi.center - 0.5, voi.width - 1] : [voi.center, voi.width];
  const factor = (255 * slope) / width;
  const offset = 255 * ((intercept - center) / width + 0.5);
  return inverse ? [-factor, 255 - offset] : [factor, offset];
}

function levelOf(voi: Voi, slope: number, intercept: number, inverse: boolean): (stored: number) => number {
  return (stored) => {
    const g = grey(voi, stored * slope + intercept);
    return Math.floor((inverse ? 1 - g : g) * 255 + 0.5);
  };
}

/** Whether the pixel at an image point is padding, which is black whatever the window. */
function paddingOf({ pixels: { values, columns, rows }, padding }: ImageDrawing): ((px: number, py: number) => boolean) | undefined {
  if (!padding) return undefined;
  const [low, high] = padding;
  return (px, py) => {
    const stored = values[clamp(Math.floor(py), 0, rows - 1) * columns + clamp(Math.floor(px), 0, columns - 1)]!;
    return stored >= low && stored <= high;
  };
}
