// Every pixel path: the canvas, the formula of the standard written out here, and the server's own
// rendering agree within one grey level.

import { expect, test } from "vitest";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { BASE, canvas, drawn, exact, read, settled, store, uid, type Opened } from "./support";

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
  readonly frame?: number; // from 1, of an object with several
}

const wide = ramp(-2000, 3000);
const twelve = ramp(0, 4095);
const eight = ramp(0, 255);
const gamma = Array.from({ length: 4096 }, (_, i) => Math.round(65535 * Math.sqrt(i / 4095)));
const lut16 = (first: number, vr: "US" | "SS", entries: number[]): Item => ({
  "00283002": [vr, [entries.length, first, 16]] as const,
  "00283006": ["OW", new Uint8Array(Uint16Array.from(entries).buffer)],
});

const bytesOf = (values: ArrayBufferView): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const words = (...values: number[]): Uint8Array => bytesOf(Uint16Array.from(values));
const fromYbr = (y: number, cb: number, cr: number): number[] =>
  [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)].map((v) => Math.min(Math.max(Math.round(v), 0), 255));
/** The functional groups of a frame with a rescale and a window of its own. */
const transformed = (slope: number, intercept: number, center: number, width: number): Item => ({
  "00289145": ["SQ", [{ "00281052": ["DS", String(intercept)], "00281053": ["DS", String(slope)], "00281054": ["LO", "US"] }]],
  "00289132": ["SQ", [{ "00281050": ["DS", String(center)], "00281051": ["DS", String(width)] }]],
});
const PARAMETRIC: Item = { "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.30"], "00281052": ["DS", []], "00281053": ["DS", []] };

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
    expected: (i) => fromYbr(eight[i]!, 100, 180),
  },
  {
    name: "YBR_FULL_422",
    values: Uint8Array.from({ length: COUNT * 2 }, (_, n) => (n % 4 < 2 ? eight[(n >> 2) * 2 + (n % 4)]! : n % 4 === 2 ? 100 : 180)),
    extra: { ...bits(8, 8, false), "00280002": ["US", 3], "00280004": ["CS", "YBR_FULL_422"], "00280006": ["US", 0] },
    expected: (i) => fromYbr(eight[i]!, 100, 180),
  },
  { name: "8 bits signed", values: Int8Array.from(ramp(-128, 127)), extra: { ...bits(8, 8, true), "00281051": ["DS", "256"] }, expected: (i) => grey(linear(0, 256)(ramp(-128, 127)[i]!)) },
  { name: "10 bits of 16, MONOCHROME1 over all its range", values: Uint16Array.from(ramp(0, 1023)), extra: { ...bits(16, 10, false), "00280004": ["CS", "MONOCHROME1"], "00281050": ["DS", "512"], "00281051": ["DS", "1024"] }, expected: (i) => grey(1 - linear(512, 1024)(ramp(0, 1023)[i]!)) },
  { name: "32 bits signed, rescaled", values: Int32Array.from(ramp(-8_000_000, 8_000_000)), extra: { ...bits(32, 32, true), "00281053": ["DS", "0.001"], "00281051": ["DS", "9000"] }, expected: (i) => grey(linear(0, 9000)(ramp(-8_000_000, 8_000_000)[i]! * 0.001)) },
  { name: "negative slope", values: Int16Array.from(wide), extra: { "00281053": ["DS", "-1"], "00281052": ["DS", "100"], "00281051": ["DS", "1000"] }, expected: (i) => grey(linear(0, 1000)(100 - wide[i]!)) },
  { name: "a window one wide", values: Int16Array.from(ramp(-20, 20)), extra: { "00281050": ["DS", "3"], "00281051": ["DS", "1"] }, expected: (i) => grey(ramp(-20, 20)[i]! <= 2.5 ? 0 : 1) },
  {
    name: "a range of padding",
    values: Int16Array.from(wide),
    extra: { "00280120": ["SS", -2000], "00280121": ["SS", -1500], "00281051": ["DS", "4000"], "00281050": ["DS", "-1000"] },
    expected: (i) => (wide[i]! <= -1500 ? [0, 0, 0] : grey(linear(-1000, 4000)(wide[i]!))),
  },
  {
    name: "VOI LUT of signed pixels, 8 bits an entry",
    values: Int16Array.from(ramp(-300, 300)),
    extra: {
      "00281050": ["DS", []],
      "00281051": ["DS", []],
      "00283010": ["SQ", [{ "00283002": ["SS", [200, -100, 8]], "00283006": ["OW", Uint8Array.from({ length: 400 }, (_, n) => (n % 2 ? 0 : 255 - (n >> 1)))] }]],
    },
    expected: (i) => grey((255 - Math.min(Math.max(ramp(-300, 300)[i]! + 100, 0), 199)) / 255),
  },
  {
    name: "PALETTE COLOR in segments, 16 bits a pixel, from 100",
    values: Uint16Array.from(ramp(0, 400)),
    extra: {
      ...bits(16, 16, false),
      "00280004": ["CS", "PALETTE COLOR"],
      ...Object.fromEntries(["00281101", "00281102", "00281103"].map((tag) => [tag, ["US", [256, 100, 16]] as const])),
      // 0, then a straight line of 255 more entries to 65280; and its reverse; and one level.
      "00281221": ["OW", words(0, 1, 0, 1, 255, 65280)],
      "00281222": ["OW", words(0, 1, 65280, 1, 255, 0)],
      "00281223": ["OW", words(0, 1, 0x4000, 1, 255, 0x4000)],
    },
    expected: (i) => {
      const entry = Math.min(Math.max(ramp(0, 400)[i]! - 100, 0), 255);
      return [(65280 * entry) / 255 / 256, (65280 * (255 - entry)) / 255 / 256, 64].map(Math.floor);
    },
  },
  {
    name: "rescale and window of each frame",
    values: Int16Array.from([...ramp(0, 1), ...wide]),
    frame: 2,
    extra: {
      "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.2.1"],
      "00280008": ["IS", "2"],
      ...Object.fromEntries(["00281050", "00281051", "00281052", "00281053"].map((tag) => [tag, ["DS", []] as const])),
      "52009229": ["SQ", [{}]],
      "52009230": ["SQ", [transformed(1, 0, 0, 100), transformed(2, -500, 300, 2500)]],
    },
    expected: (i) => grey(linear(300, 2500)(wide[i]! * 2 - 500)),
  },
  {
    name: "float",
    values: new Float32Array(0),
    extra: { ...PARAMETRIC, ...bits(32, 32, false), "7FE00008": ["OF", bytesOf(Float32Array.from(wide, (v) => v / 1000))], "00281050": ["DS", "0.25"], "00281051": ["DS", "3"], "00281056": ["CS", "LINEAR_EXACT"] },
    expected: (i) => grey(Math.min(Math.max((wide[i]! / 1000 - 0.25) / 3 + 0.5, 0), 1)),
  },
  {
    name: "double float",
    values: new Float64Array(0),
    extra: { ...PARAMETRIC, ...bits(64, 64, false), "7FE00009": ["OD", bytesOf(Float64Array.from(wide, (v) => v * 1e-7))], "00281050": ["DS", "0"], "00281051": ["DS", "0.0003"], "00281056": ["CS", "LINEAR_EXACT"] },
    expected: (i) => grey(Math.min(Math.max((wide[i]! * 1e-7) / 0.0003 + 0.5, 0), 1)),
  },
  {
    name: "1 bit",
    values: Uint8Array.from({ length: COUNT / 8 }, (_, n) => (n * 37) & 255),
    extra: { ...bits(1, 1, false), ...Object.fromEntries(["00281050", "00281051", "00281052", "00281053"].map((tag) => [tag, ["DS", []] as const])) },
    expected: (i) => grey((((i >> 3) * 37) >> (i & 7)) & 1),
  },
];

const DRAWN = ["gpu", "processor"] as const;
const pages = new Map<string, Opened>();

/** The page that draws so, on a study. */
async function shown(draw: (typeof DRAWN)[number], study: string): Promise<Opened> {
  let page = pages.get(draw);
  if (!page) pages.set(draw, (page = await read(study, `&draw=${draw}`, { width: 520, height: 460 })));
  else {
    await page.goto(`${BASE}/read.html?lang=en&study=${study}&draw=${draw}`);
    await drawn(page);
  }
  return page;
}

test.each(PATHS)("$name", async ({ values, extra, expected, frame = 1 }) => {
  const object = image({ rows: ROWS, columns: COLUMNS, values, extra });
  await store(object);
  const wanted = Array.from({ length: COUNT }, (_, i) => expected(i)).flat();
  for (const draw of DRAWN) {
    const page = await shown(draw, uid(object, "0020000D"));
    await page.evaluate((index) => window.reading.session.active.value!.scrollTo(index), frame - 1);
    await drawn(page);
    await exact(page);
    const drawing = await canvas(page, COLUMNS, ROWS);
    expect(farthest(drawing, wanted), `${draw}, formula`).toBeLessThanOrEqual(1);
    expect(farthest(drawing, await rendered(page, object, frame)), `${draw}, server`).toBeLessThanOrEqual(1);
    expect(page.complaints).toEqual([]);
  }
});

const PLACEMENTS = {
  fitted: { rotation: 0, flipX: false, flipY: false },
  enlarged: { rotation: 0, flipX: true, flipY: false, zoom: 7.3, center: [21.7, 30.2] },
  reduced: { rotation: 0, flipX: false, flipY: true, zoom: 0.61 },
  "a quarter turned": { rotation: 90, flipX: false, flipY: false, zoom: 5.37 },
  askew: { rotation: 33, flipX: true, flipY: false, zoom: 6 },
} as const;

/**
 * Whether sample `i` of a canvas of `width` pixels is where either answer is right: its middle falls, to a
 * bit, on the border or on the middle of an image's pixel.
 */
async function ties(page: Opened, width: number): Promise<(i: number) => boolean> {
  const [a, b, c, d, e, f] = await page.evaluate(() => [...window.reading.session.active.value!.toScreen.value!] as [number, number, number, number, number, number]);
  const near = (at: number): boolean => Math.abs(2 * at - Math.round(2 * at)) < 2e-3;
  return (i) => {
    const pixel = Math.floor(i / 3);
    const [x, y] = [(pixel % width) + 0.5 - e, Math.floor(pixel / width) + 0.5 - f];
    return near((x * d - y * c) / (a * d - b * c)) || near((y * a - x * b) / (a * d - b * c));
  };
}

test.each(["16 bits signed, LINEAR", "a range of padding", "RGB by plane"])("both ways of drawing agree however it is placed: %s", async (name) => {
  const { values, extra } = PATHS.find((path) => path.name === name)!;
  // Noise, so that a shift of a fraction of a pixel would show.
  const noise = new (values.constructor as Int16ArrayConstructor)(values as Int16Array);
  for (let i = 1; i < noise.length; i++) {
    const j = (i * 7919) % noise.length;
    [noise[i], noise[j]] = [noise[j]!, noise[i]!];
  }
  const object = image({ rows: ROWS, columns: COLUMNS, values: noise, extra });
  await store(object);
  const study = uid(object, "0020000D");
  for (const [place, chosen] of Object.entries(PLACEMENTS))
    for (const filter of place === "fitted" || place === "askew" ? [0, -1, 1.5] : [0]) {
      const pictures: number[][] = [];
      for (const draw of DRAWN) {
        const page = pages.get(draw)?.url().includes(study) ? pages.get(draw)! : await shown(draw, study);
        await page.evaluate(
          ([to, strength]) => {
            const viewport = window.reading.session.active.value!;
            viewport.chosen.value = to as typeof viewport.chosen.value;
            viewport.filter.value = strength;
          },
          [chosen, filter] as const,
        );
        await settled(page);
        pictures.push(await canvas(page, 300, 240));
      }
      const tied = await ties(pages.get(DRAWN[0]!)!, 300);
      const apart = pictures[0]!.map((v, i) => (tied(i) ? 0 : Math.abs(v - pictures[1]![i]!)));
      const off = apart.filter((v) => v > 1).length;
      expect(off / apart.length, `${place}, filter ${filter}: ${off} values differ, by ${apart.reduce((a, b) => Math.max(a, b))}`).toBeLessThan(0.0005);
      expect(pictures[0]!.some((v) => v > 60)).toBe(true);
    }
}, 180_000);

const farthest = (a: readonly number[], b: readonly number[]): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);
};

/** The server's PNG of the instance, as RGB. */
async function rendered(on: Opened, object: Item, frame: number): Promise<number[]> {
  const url = `/dicom-web/studies/${uid(object, "0020000D")}/series/${uid(object, "0020000E")}/instances/${uid(object, "00080018")}/frames/${frame}/rendered`;
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
