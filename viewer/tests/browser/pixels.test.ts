// Every pixel path: the canvas, the formula of the standard written out here, and the server's own
// rendering agree within one grey level.

import { expect, test } from "vitest";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { BASE, canvas, exact, read, settled, store, uid, type Opened } from "./support";

const [ROWS, COLUMNS] = [48, 64];
const COUNT = ROWS * COLUMNS;
const ramp = (low: number, high: number): number[] => Array.from({ length: COUNT }, (_, i) => Math.round(low + ((high - low) * i) / (COUNT - 1)));
const bits = (allocated: number, stored: number, signed: boolean): Item => ({
  "00280100": ["US", allocated],
  "00280101": ["US", stored],
  "00280102": ["US", stored - 1],
  "00280103": ["US", signed ? 1 : 0],
});
const linear = (center: number, width: number) => (v: number) => Math.min(Math.max((v - (center - 0.5)) / (width - 1) + 0.5, 0), 1);
const grey = (g: number): number[] => Array(3).fill(Math.round(g * 255)) as number[];

interface Path {
  readonly name: string;
  readonly values: ArrayBufferView;
  readonly extra: Item;
  readonly expected: (i: number) => number[];
}

const wide = ramp(-2000, 3000);
const twelve = ramp(0, 4095);
const eight = ramp(0, 255);
const gamma = Array.from({ length: 4096 }, (_, i) => Math.round(65535 * Math.sqrt(i / 4095)));
const lut16 = (first: number, vr: "US" | "SS", entries: number[]): Item => ({
  "00283002": [vr, [entries.length, first, 16]] as const,
  "00283006": ["OW", new Uint8Array(Uint16Array.from(entries).buffer)],
});

const PATHS: readonly Path[] = [
  { name: "16 bits signed, LINEAR", values: Int16Array.from(wide), extra: { "00281050": ["DS", "40"], "00281051": ["DS", "400"] }, expected: (i) => grey(linear(40, 400)(wide[i]!)) },
  {
    name: "12 of 16 bits, rescaled",
    values: Uint16Array.from(twelve),
    extra: { ...bits(16, 12, false), "00281052": ["DS", "-1024"], "00281053": ["DS", "0.5"], "00281050": ["DS", "0"], "00281051": ["DS", "1000"] },
    expected: (i) => grey(linear(0, 1000)(twelve[i]! * 0.5 - 1024)),
  },
  {
    name: "12 bits signed whose sign was not extended",
    values: Uint16Array.from(twelve, (v) => (v - 2048) & 0x0fff),
    extra: { ...bits(16, 12, true), "00281051": ["DS", "3000"] },
    expected: (i) => grey(linear(0, 3000)(twelve[i]! - 2048)),
  },
  { name: "8 bits, no window", values: Uint8Array.from(eight), extra: { ...bits(8, 8, false), "00281050": ["DS", []], "00281051": ["DS", []], "00281052": ["DS", []], "00281053": ["DS", []] }, expected: (i) => grey(eight[i]! / 255) },
  { name: "16 bits unsigned over all their range", values: Uint16Array.from(ramp(0, 65535)), extra: { ...bits(16, 16, false), "00281050": ["DS", "32768"], "00281051": ["DS", "65536"] }, expected: (i) => grey(linear(32768, 65536)(ramp(0, 65535)[i]!)) },
  { name: "32 bits unsigned", values: Uint32Array.from(ramp(0, 16_000_000)), extra: { ...bits(32, 32, false), "00281050": ["DS", "8000000"], "00281051": ["DS", "12000000"] }, expected: (i) => grey(linear(8e6, 12e6)(ramp(0, 16_000_000)[i]!)) },
  { name: "MONOCHROME1", values: Int16Array.from(wide), extra: { "00280004": ["CS", "MONOCHROME1"], "00281051": ["DS", "2000"] }, expected: (i) => grey(1 - linear(0, 2000)(wide[i]!)) },
  {
    name: "padding is black",
    values: Int16Array.from(wide, (v) => (v < -1000 ? -2000 : v)),
    extra: { "00280120": ["SS", -2000], "00280004": ["CS", "MONOCHROME1"], "00281051": ["DS", "2000"] },
    expected: (i) => (wide[i]! < -1000 ? [0, 0, 0] : grey(1 - linear(0, 2000)(wide[i]!))),
  },
  { name: "LINEAR_EXACT", values: Int16Array.from(wide), extra: { "00281056": ["CS", "LINEAR_EXACT"], "00281051": ["DS", "10"], "00281053": ["DS", "0.001"] }, expected: (i) => grey(Math.min(Math.max((wide[i]! * 0.001) / 10 + 0.5, 0), 1)) },
  { name: "SIGMOID", values: Int16Array.from(wide), extra: { "00281056": ["CS", "SIGMOID"], "00281051": ["DS", "1500"] }, expected: (i) => grey(1 / (1 + Math.exp((-4 * wide[i]!) / 1500))) },
  {
    name: "VOI LUT",
    values: Uint16Array.from(twelve),
    extra: { ...bits(16, 12, false), "00281050": ["DS", []], "00281051": ["DS", []], "00283010": ["SQ", [lut16(0, "US", gamma)]] },
    expected: (i) => grey(gamma[twelve[i]!]! / 65535),
  },
  {
    name: "Modality LUT",
    values: Uint16Array.from(twelve),
    extra: { ...bits(16, 12, false), "00281052": ["DS", []], "00281053": ["DS", []], "00281050": ["DS", "30000"], "00281051": ["DS", "50000"], "00283000": ["SQ", [lut16(0, "US", gamma)]] },
    expected: (i) => grey(linear(30000, 50000)(gamma[twelve[i]!]!)),
  },
  {
    name: "PALETTE COLOR",
    values: Uint8Array.from(eight),
    extra: {
      ...bits(8, 8, false),
      "00280004": ["CS", "PALETTE COLOR"],
      "00281101": ["US", [256, 0, 16]],
      "00281102": ["US", [256, 0, 16]],
      "00281103": ["US", [256, 0, 16]],
      "00281201": ["OW", new Uint8Array(Uint16Array.from({ length: 256 }, (_, i) => i * 257).buffer)],
      "00281202": ["OW", new Uint8Array(Uint16Array.from({ length: 256 }, (_, i) => (255 - i) * 257).buffer)],
      "00281203": ["OW", new Uint8Array(Uint16Array.from({ length: 256 }, () => 128 * 257).buffer)],
    },
    expected: (i) => [eight[i]!, 255 - eight[i]!, 128],
  },
  {
    name: "RGB by plane",
    values: Uint8Array.from([...eight, ...eight.map((v) => 255 - v), ...eight.map(() => 77)]),
    extra: { ...bits(8, 8, false), "00280002": ["US", 3], "00280004": ["CS", "RGB"], "00280006": ["US", 1] },
    expected: (i) => [eight[i]!, 255 - eight[i]!, 77],
  },
  {
    name: "YBR_FULL",
    values: Uint8Array.from({ length: COUNT * 3 }, (_, n) => [eight[Math.floor(n / 3)]!, 100, 180][n % 3]!),
    extra: { ...bits(8, 8, false), "00280002": ["US", 3], "00280004": ["CS", "YBR_FULL"], "00280006": ["US", 0] },
    expected: (i) => {
      const clamp = (v: number): number => Math.min(Math.max(Math.round(v), 0), 255);
      return [clamp(eight[i]! + 1.402 * 52), clamp(eight[i]! + 0.344136 * 28 - 0.714136 * 52), clamp(eight[i]! - 1.772 * 28)];
    },
  },
];

let page: Opened | undefined;

test.each(PATHS)("$name", async ({ values, extra, expected }) => {
  const object = image({ rows: ROWS, columns: COLUMNS, values, extra });
  await store(object);
  const study = uid(object, "0020000D");
  if (!page) page = await read(study);
  else {
    await page.goto(`${BASE}/read.html?lang=en&study=${study}`);
    const { drawn } = await import("./support");
    await drawn(page);
  }
  await exact(page);
  const shown = await canvas(page, COLUMNS, ROWS);
  const wanted = Array.from({ length: COUNT }, (_, i) => expected(i)).flat();
  expect(farthest(shown, wanted)).toBeLessThanOrEqual(1);
  expect(farthest(shown, await rendered(page, object))).toBeLessThanOrEqual(1);
  expect(page.complaints).toEqual([]);
});

const farthest = (a: readonly number[], b: readonly number[]): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);
};

/** The server's PNG of the instance, as RGB. */
async function rendered(on: Opened, object: Item): Promise<number[]> {
  const url = `/dicom-web/studies/${uid(object, "0020000D")}/series/${uid(object, "0020000E")}/instances/${uid(object, "00080018")}/rendered`;
  return on.evaluate(async (path) => {
    const response = await fetch(path, { headers: { Accept: "image/png" } });
    if (!response.ok) throw new Error(`rendered: ${response.status} ${await response.text()}`);
    const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
    context.drawImage(bitmap, 0, 0);
    return [...context.getImageData(0, 0, bitmap.width, bitmap.height).data].filter((_, i) => i % 4 < 3);
  }, url);
}

test("interpolation does not shift the picture: a fitted step edge is where its pixels are", async () => {
  const values = Int16Array.from({ length: COUNT }, (_, i) => (i % COLUMNS < 32 ? -1000 : 1000));
  const object = image({ rows: ROWS, columns: COLUMNS, values });
  await store(object);
  const step = await read(uid(object, "0020000D"));
  await step.evaluate(() => {
    const viewport = window.reading.session.active.value!;
    const { width, height } = viewport.rect.value;
    viewport.chosen.value = { ...viewport.chosen.value, zoom: 8, center: [width / 16, height / 16] };
  });
  await settled(step);
  const [row] = [await canvas(step, COLUMNS * 8, 1)];
  const edge = Array.from({ length: COLUMNS * 8 }, (_, x) => row![x * 3]!).findIndex((v) => v > 127);
  expect(edge).toBeGreaterThanOrEqual(255);
  expect(edge).toBeLessThanOrEqual(257);
});
