// How a series comes: previews, the stream, what is looked at beside it, and how much is held.

import type { Request } from "playwright-core";
import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { BASE, canvas, drawn, exact, open, PATIENCE_MS, type Opened, settled, started, store, until } from "./support";

const SIDE = 256;
const SLICES = 40;
const study = newUid();
const series = newUid();

/** Slice `z` is `z` everywhere, but for a bright square that wanders. */
const values = (z: number, side = SIDE): Int16Array =>
  Int16Array.from({ length: side * side }, (_, i) => (inSquare(i % side, Math.floor(i / side), z) ? 400 : z));
const inSquare = (x: number, y: number, z: number): boolean => x >= 40 + z && x < 104 + z && y >= 80 && y < 144;

const slice = (z: number, side: number, of: { study: string; series: string }): Item =>
  image({
    ...of,
    number: z + 1,
    rows: side,
    columns: side,
    values: values(z, side),
    extra: { "00200032": ["DS", ["0", "0", String(z)]], "00281050": ["DS", "200"], "00281051": ["DS", "1000"] },
  });

beforeAll(async () => {
  await store(...Array.from({ length: SLICES }, (_, z) => slice(z, SIDE, { study, series })));
});

const progress = (page: Opened) =>
  page.evaluate(() => {
    const { session } = window.reading;
    return session.store.progress(session.stacks.value[0]!.frames);
  });

const complete = (page: Opened): Promise<boolean> =>
  until(page, () => {
    const { session } = window.reading;
    const frames = session.stacks.value[0]?.frames;
    return frames !== undefined && session.store.progress(frames).ready === frames.length;
  });

/** The page, opened with what `held` matches left unanswered until released. */
async function holding(held: (url: string) => boolean): Promise<{ page: Opened; asked: string[]; release(): void }> {
  const page = await open("read.html?lang=en");
  const asked: string[] = [];
  let release = (): void => undefined;
  const released = new Promise<void>((go) => (release = go));
  page.on("request", (request: Request) => {
    // Of this study: the patient has others, which are fetched when there is nothing else to do.
    if (request.url().includes(study) && /\/(frames|pixeldata)/.test(request.url())) asked.push(request.url());
  });
  await page.route(/\/(frames|pixeldata)/, async (route) => {
    if (held(route.request().url())) await released;
    await route.continue().catch(() => undefined);
  });
  await page.goto(`${BASE}/read.html?lang=en&study=${study}`);
  await started(page);
  return { page, asked, release };
}

test("a series comes in two streams, small and whole, and every value is the one that was stored", async () => {
  const { page, asked } = await holding(() => false);
  await complete(page);
  expect(asked.filter((url) => url.includes("pixeldata?resolution=8"))).toHaveLength(1);
  expect(asked.filter((url) => url.endsWith("/pixeldata"))).toHaveLength(1);
  // What was looked at while the streams were under way, and no more.
  expect(asked.length).toBeLessThan(12);
  const wrong = await page.evaluate(() => {
    const { session } = window.reading;
    return session.stacks.value[0]!.frames.filter((frame, z) => {
      const pixels = session.store.get(frame)!;
      const at = (x: number, y: number): number => pixels.values[y * pixels.columns + x]!;
      return pixels.reduced !== 1 || at(0, 0) !== z || at(40 + z, 80) !== 400 || at(103 + z, 143) !== 400 || at(104 + z, 143) !== z;
    }).length;
  });
  expect(wrong).toBe(0);
  expect(page.complaints).toEqual([]);
});

test("while the whole images are on their way, previews stand in their place, in the same place, marked, and give no values", async () => {
  const { page, release } = await holding((url) => !url.includes("resolution="));
  await until(page, () => {
    const { session } = window.reading;
    const frames = session.stacks.value[0]?.frames;
    return frames !== undefined && session.store.progress(frames).seen === frames.length;
  });
  // The image in the middle came with the opening, whole.
  expect(await page.locator(".preview-mark").count()).toBe(0);
  expect((await progress(page)).ready).toBe(1);
  await page.evaluate(() => window.reading.session.active.value!.scrollTo(10));
  await until(page, () => document.querySelector(".preview-mark") !== null);
  expect(await page.locator(".preview-mark").textContent()).toBe("Preview 1/8, full image on its way");
  await exact(page);
  const small = middleOf(await canvas(page, SIDE, SIDE));
  expect(await page.evaluate(() => window.reading.session.active.value!.surface.value!.value(100, 100))).toBeNull();
  release();
  await complete(page);
  await settled(page);
  expect(await page.locator(".preview-mark").count()).toBe(0);
  const whole = middleOf(await canvas(page, SIDE, SIDE));
  expect(Math.hypot(small[0] - whole[0], small[1] - whole[1])).toBeLessThan(1);
  expect(await page.evaluate(() => window.reading.session.active.value!.surface.value!.value(100, 100))).toBe(400);
});

/** The centre of what is brighter than the ground, weighed by how much. */
function middleOf(rgb: readonly number[]): [number, number] {
  let [x, y, n] = [0, 0, 0];
  for (let i = 0; i < SIDE * SIDE; i++) {
    const weight = rgb[i * 3]! - rgb[0]!;
    x += weight * (i % SIDE);
    y += weight * Math.floor(i / SIDE);
    n += weight;
  }
  return [x / n, y / n];
}

test("who jumps far away gets that image at once, beside the stream", async () => {
  const { page, asked, release } = await holding((url) => url.includes("pixeldata"));
  await drawn(page);
  await page.evaluate(() => window.reading.session.active.value!.scrollTo(37));
  await drawn(page);
  const { pixels, ready } = await page.evaluate(() => {
    const { session } = window.reading;
    const shown = session.active.value!.pixels.value!;
    return { pixels: [shown.reduced, shown.values[0]], ready: session.store.progress(session.stacks.value[0]!.frames).ready };
  });
  expect(pixels).toEqual([1, 37]);
  expect(ready).toBeLessThan(15);
  expect(asked.filter((url) => url.includes("/frames/")).length).toBeLessThan(15);
  release();
  await complete(page);
});

test("the ring beside a series tells what has arrived and what is decoded", async () => {
  const { page, release } = await holding((url) => url.includes("pixeldata"));
  await drawn(page);
  const ring = page.locator(".ring");
  expect(await ring.locator("svg").count()).toBe(1);
  expect(await ring.getAttribute("title")).toMatch(/^\d decoded, \d received of 40$/);
  release();
  await complete(page);
  await until(page, () => document.querySelector(".ring svg") === null);
  expect(await ring.getAttribute("title")).toBe("40 decoded, 40 received of 40");
});

test("the rest of the study, and of the newest study before it the series that is alike, are fetched before anybody asks", async () => {
  const [now, before] = [newUid(), newUid()];
  const of = (into: string, number: number, date: string, description: string): Item[] => {
    const own = { study: into, series: newUid() };
    return Array.from({ length: 12 }, (_, z) => ({
      ...slice(z, 64, own),
      "00080020": ["DA", date] as const,
      "0008103E": ["LO", description] as const,
      "00100020": ["LO", `P-${now}`] as const,
      "00200011": ["IS", number] as const,
    }));
  };
  await store(...of(now, 1, "20240301", "Thin"), ...of(now, 2, "20240301", "Thick"));
  await store(...of(before, 1, "20230301", "Thick"), ...of(before, 2, "20230301", "Thin"));
  const page = await open(`read.html?lang=en&study=${now}`);
  await started(page);
  const asked: string[] = [];
  page.on("request", (request) => {
    if (/\/(frames|pixeldata)/.test(request.url())) asked.push(request.url());
  });
  await until(page, () => {
    const { session } = window.reading;
    const [shown, other] = session.stacks.value;
    return shown !== undefined && shown === session.active.value!.stack.value && other !== undefined && session.store.progress(other.frames).arrived === 12;
  });
  const second = await page.evaluate(() => {
    const { session } = window.reading;
    return session.store.progress(session.stacks.value[1]!.frames);
  });
  expect(second.ready).toBeLessThanOrEqual(1); // no more than its thumbnail
  await until(page, () => window.reading.session.store.bytes > 0 && window.reading.session.priors.value.length === 1);
  const deadline = Date.now() + PATIENCE_MS;
  while (!asked.some((url) => url.includes(`${before}/`) && url.includes("pixeldata")) && Date.now() < deadline) await settled(page);
  await new Promise((go) => setTimeout(go, 1000));
  const ahead = asked.length;
  await page.click(".tile.prior");
  await until(page, () => {
    const { session } = window.reading;
    const thin = session.stacks.value.find((s) => s.study !== session.studies.value[0]!.uid && s.description === "Thin");
    return thin !== undefined && session.viewports.value.length === 2 && session.store.progress(thin.frames).arrived === 12;
  });
  expect(asked.slice(ahead).filter((url) => url.includes(`${before}/`) && /pixeldata/.test(url) && url.includes(asked.find((u) => u.includes(before))!.match(/series\/([\d.]+)/)![1]!))).toEqual([]);
  expect(page.complaints).toEqual([]);
});

test("the first series goes into the pane, however late it comes, and also when what is needed first cannot be had in one answer", async () => {
  const of = newUid();
  const late = { study: of, series: newUid() };
  const soon = { study: of, series: newUid() };
  await store({ ...slice(3, 64, late), "00200011": ["IS", 1] }, { ...slice(5, 64, soon), "00200011": ["IS", 2] });
  const page = await open("read.html?lang=en");
  await page.route(/\/opening$/, (route) => route.abort());
  await page.route(`**/${late.series}/metadata`, async (route) => {
    await new Promise((go) => setTimeout(go, 1500));
    await route.continue();
  });
  await page.goto(`${BASE}/read.html?lang=en&study=${of}`);
  await started(page);
  await drawn(page);
  expect(await page.evaluate(() => window.reading.session.active.value!.pixels.value!.values[0])).toBe(3);
  await until(page, () => window.reading.session.stacks.value.length === 2);
});

test("the image that is shown first comes with the opening, is asked for once, and is there before the series' frames are asked for", async () => {
  const { page, asked } = await holding(() => true);
  await drawn(page);
  expect(await page.evaluate(() => window.reading.session.active.value!.pixels.value!.values[0])).toBe(SLICES >> 1);
  const middle = await page.evaluate(() => window.reading.session.active.value!.frame.value!.instance);
  expect(asked.filter((url) => url.includes(middle))).toEqual([]);
  const openings = await page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/opening")).length);
  expect(openings).toBe(1); // what the page's head has asked for is what its script takes
  expect(page.complaints).toEqual([]);
});

test("a series of two stacks begins with the image that came with the opening, and does not ask for another first", async () => {
  const own = { study: newUid(), series: newUid() };
  const tilted: Item = { "00200037": ["DS", ["1", "0", "0", "0", "0.948683", "-0.316228"]] };
  // The middle of the series is the tenth, that of the stack the seventh.
  const objects: Item[] = Array.from({ length: 18 }, (_, z) => ({ ...slice(z, 64, own), ...(z >= 12 && tilted) }));
  await store(...objects);
  const page = await open("read.html?lang=en");
  const asked: string[] = [];
  page.on("request", (request: Request) => asked.push(request.url()));
  await page.route(/\/(frames|pixeldata)/, () => undefined); // never answered
  await page.goto(`${BASE}/read.html?lang=en&study=${own.study}`);
  await started(page);
  await drawn(page);
  const { index, stacks, value } = await page.evaluate(() => {
    const { session } = window.reading;
    const active = session.active.value!;
    return { index: active.index.value, stacks: session.stacks.value.map(({ frames }) => frames.length), value: active.pixels.value!.values[0] };
  });
  expect({ index, stacks: stacks.sort(), value }).toEqual({ index: 9, stacks: [12, 6], value: 9 });
  expect(asked.filter((url) => url.includes(String(objects[9]!["00080018"]![1])) && url.includes("/frames/"))).toEqual([]);
});

test("a frame that comes damaged in the stream, and that the server cannot decode either, says so; its neighbours are shown", async () => {
  const own = { study: newUid(), series: newUid() };
  const objects = Array.from({ length: 6 }, (_, z) => slice(z, 64, own));
  // Half of its pixels: the archive keeps what it was sent.
  const pixels = objects[2]!["7FE00010"]![1] as Uint8Array;
  objects[2] = { ...objects[2], "7FE00010": ["OW", pixels.slice(0, pixels.length / 2)] };
  await store(...objects);
  for (const draw of ["gpu", "processor"]) {
    const page = await open(`read.html?lang=en&study=${own.study}&draw=${draw}`);
    await until(page, () => {
      const { session } = window.reading;
      const frames = session.stacks.value[0]?.frames;
      if (!frames) return false;
      const { ready, failed } = session.store.progress(frames);
      return ready === 5 && failed === 1;
    });
    await page.evaluate(() => window.reading.session.active.value!.scrollTo(2));
    await until(page, () => document.querySelector(".pane-state.error") !== null);
    expect(await page.locator(".pane-state.error strong").textContent()).toBe("This image cannot be shown");
    expect((await page.locator(".pane-state.error span").textContent())!.length).toBeGreaterThan(10);
    await page.evaluate(() => window.reading.session.active.value!.scrollTo(3));
    await drawn(page);
    expect(await page.locator(".pane-state.error").count()).toBe(0);
  }
});

test("a series of 2,000 slices stays within the memory it may have, wherever one scrolls", async () => {
  const many = { study: newUid(), series: newUid() };
  const [slices, side] = [2000, 128];
  for (let z = 0; z < slices; z += 250) await store(...Array.from({ length: 250 }, (_, i) => slice(z + i, side, many)));
  const page = await open("read.html?lang=en");
  // A fifth of it may be held: 20 MB, where all slices are 66 MB.
  await page.addInitScript(() => Object.defineProperty(navigator, "deviceMemory", { get: () => 0.1 }));
  await page.goto(`${BASE}/read.html?lang=en&study=${many.study}`);
  await page.evaluate(() => {
    const most = { bytes: 0 };
    Object.assign(window, { most });
    setInterval(() => (most.bytes = Math.max(most.bytes, window.reading?.session.store.bytes ?? 0)), 5);
  });
  for (const to of [1000, 1999, 0, 700]) {
    await until(page, () => window.reading?.session.active.value?.stack.value !== undefined);
    await page.evaluate((index) => window.reading.session.active.value!.scrollTo(index), to);
    await drawn(page);
    expect(await page.evaluate(() => window.reading.session.active.value!.pixels.value!.values[0])).toBe(to);
    await new Promise((go) => setTimeout(go, 1500));
  }
  const most = await page.evaluate(() => (window as unknown as { most: { bytes: number } }).most.bytes);
  expect(most).toBeLessThanOrEqual(0.1 * 0.2 * 2 ** 30);
  expect(most).toBeGreaterThan(5 * 2 ** 20);
  expect(page.complaints).toEqual([]);
}, 180_000);
