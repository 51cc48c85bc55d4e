// What leaves the page as it is seen, how studies hang by themselves, and what keys show and hide.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { colours, drag, exact, open, read, settled, store, until, type Opened } from "./support";

const SIDE = 64;
const [study, prior, films] = [newUid(), newUid(), newUid()];
/** All of one value, so that a pane is known by its grey. */
const plain = (of: string, value: number, extra: Item = {}): Item =>
  image({ study: of, rows: SIDE, columns: SIDE, values: new Int16Array(SIDE * SIDE).fill(value), extra: { "00100020": ["LO", "P-SEEN"], ...extra } });
/** In the phantom's window, 200 about 0. */
const grey = (value: number): number => Math.round(((value + 0.5) / 199 + 0.5) * 255);

beforeAll(async () => {
  await store(
    plain(study, -50, { "00200011": ["IS", 1], "0008103E": ["LO", "First"] }),
    plain(study, 50, { "00200011": ["IS", 2], "0008103E": ["LO", "Second"], "00282110": ["CS", "01"], "00282112": ["DS", "12"] }),
    plain(prior, 80, { "00080020": ["DA", "20230102"], "0008103E": ["LO", "Then"] }),
    ...[1, 2].map((n) => plain(films, 30 * n, { "00080060": ["CS", "DX"], "00200011": ["IS", n], "0008103E": ["LO", `View ${n}`], "00100020": ["LO", "P-FILMS"], "00200032": ["DS", []], "00200037": ["DS", []] })),
  );
});

/** The reading page with two series side by side. */
async function two(): Promise<Opened> {
  const page = await read(study, "", { width: 1100, height: 700 });
  await until(page, () => window.reading.session.stacks.value.length === 2);
  await page.evaluate(() => {
    const { session } = window.reading;
    session.setLayout({ rows: 1, columns: 2 });
    session.showStack(session.viewports.value[0]!, session.stacks.value[0]!);
    session.showStack(session.viewports.value[1]!, session.stacks.value[1]!);
  });
  await until(page, () => window.reading.session.viewports.value.every((v) => v.pixels.value !== undefined));
  await settled(page);
  return page;
}

/** A printed picture's size and greys at two places, how much of its heading is ink. */
interface Printed {
  readonly size: readonly number[];
  readonly left: number;
  readonly right: number;
  readonly ink: number;
}

test("a print has the panes as they are seen below a heading that is written, and nothing else of the page", async () => {
  const page = await two();
  await page.evaluate(() => {
    window.print = () => {
      const sheet = document.querySelector(".print-sheet")!;
      const picture = sheet.querySelector("img")!;
      const context = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight).getContext("2d", { willReadFrequently: true })!;
      context.drawImage(picture, 0, 0);
      const at = (part: number): number => context.getImageData(Math.floor(picture.naturalWidth * part), Math.floor(picture.naturalHeight * 0.4), 1, 1).data[0]!;
      const heading = sheet.querySelector("canvas")!;
      const { data } = heading.getContext("2d")!.getImageData(0, 0, heading.width, heading.height - 4);
      let ink = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i]! < 128) ink++;
      const printed: Printed = { size: [picture.naturalWidth, picture.naturalHeight], left: at(0.25), right: at(0.75), ink: ink / (data.length / 4) };
      Object.assign(window, { printed });
    };
  });
  await page.click('button[aria-label="Export and print"]');
  await page.click(".menu >> text=/^Print$/");
  await until(page, () => "printed" in window);
  const printed = await page.evaluate(() => (window as unknown as { printed: Printed }).printed);
  const grid = await page.evaluate(() => {
    const rects = window.reading.session.viewports.value.map((v) => v.rect.value);
    return [Math.round((rects[1]!.x + rects[1]!.width - rects[0]!.x) * window.reading.painter.current!.ratio), Math.round(rects[0]!.height * window.reading.painter.current!.ratio)];
  });
  expect(printed.size).toEqual(grid);
  expect(Math.abs(printed.left - grey(-50))).toBeLessThanOrEqual(1);
  expect(Math.abs(printed.right - grey(50))).toBeLessThanOrEqual(1);
  expect(printed.ink).toBeGreaterThan(0.01);
  await page.emulateMedia({ media: "print" });
  const paper = await page.evaluate(() => {
    const sheet = document.createElement("div");
    sheet.className = "print-sheet";
    document.body.append(sheet);
    const seen = [document.querySelector("#app")!, sheet].map((element) => getComputedStyle(element).display);
    return [...seen, getComputedStyle(document.body).backgroundColor];
  });
  expect(paper).toEqual(["none", "block", "rgb(255, 255, 255)"]);
  expect(page.complaints).toEqual([]);
});

test("all panes are saved as one PNG", async () => {
  const page = await two();
  await page.click('button[aria-label="Export and print"]');
  const download = page.waitForEvent("download");
  await page.click("text=Save all panes as PNG");
  const { readFile } = await import("node:fs/promises");
  const bytes = await readFile(await (await download).path());
  const [left, right] = await page.evaluate(async (encoded) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0))]));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
    context.drawImage(bitmap, 0, 0);
    return [0.25, 0.75].map((part) => context.getImageData(Math.floor(bitmap.width * part), Math.floor(bitmap.height * 0.4), 1, 1).data[0]!);
  }, bytes.toString("base64"));
  expect(Math.abs(left! - grey(-50))).toBeLessThanOrEqual(1);
  expect(Math.abs(right! - grey(50))).toBeLessThanOrEqual(1);
});

test("what was compressed with loss is marked, with its ratio; what was not, is not", async () => {
  const page = await two();
  const corner = (n: number): Promise<string | null> => page.locator(".pane").nth(n).locator(".corner.bottom.right").textContent();
  expect(await corner(0)).not.toContain("Lossy");
  expect(await corner(1)).toContain("Lossy 12.0:1");
});

test("keys hide and show what is written, step through the series, fill the page with a pane", async () => {
  const page = await read(study, "", { width: 1100, height: 700 });
  await until(page, () => window.reading.session.stacks.value.length === 2);
  await page.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(page, [10, 10], [40, 10]);
  for (const [key, hidden] of [["c", ".corner"], ["m", ".annotation"]] as const) {
    const before = await page.locator(hidden).count();
    expect(before).toBeGreaterThan(0);
    await page.keyboard.press(key);
    await settled(page);
    expect(await page.locator(hidden).count()).toBe(0);
    await page.keyboard.press(key);
    await settled(page);
    expect(await page.locator(hidden).count()).toBe(before);
  }
  const series = (): Promise<string | undefined> => page.evaluate(() => window.reading.session.active.value!.stack.value?.description);
  expect(await series()).toBe("First");
  await page.keyboard.press("ArrowRight");
  expect(await series()).toBe("Second");
  await page.keyboard.press("ArrowLeft");
  expect(await series()).toBe("First");
  await page.evaluate(() => window.reading.session.setLayout({ rows: 2, columns: 2 }));
  await settled(page);
  await page.keyboard.press("Enter");
  await settled(page);
  expect(await page.locator(".pane").count()).toBe(1);
  await page.keyboard.press("Enter");
  await settled(page);
  expect(await page.locator(".pane").count()).toBe(4);
});

test("two radiographs hang side by side by themselves", async () => {
  const page = await open(`read.html?lang=en&study=${films}`);
  await until(page, () => window.reading.session.layout.value.columns === 2);
  expect(await page.evaluate(() => window.reading.session.viewports.value.map((v) => v.stack.value?.description))).toEqual(["View 1", "View 2"]);
});

test("the earlier study is hung beside this one, and both are scrolled, windowed and moved together", async () => {
  const page = await open(`read.html?lang=en&study=${study}&study=${prior}`, { width: 1300 });
  await until(page, () => window.reading.session.stacks.value.length === 3);
  await page.click('button[aria-label="Layout"]');
  await page.click("text=Compared with the earlier study");
  await settled(page);
  const state = await page.evaluate(() => {
    const { session } = window.reading;
    return { shown: session.viewports.value.map((v) => v.stack.value?.description), linked: [session.sync.scroll.value, session.sync.window.value, session.sync.view.value] };
  });
  expect(state).toEqual({ shown: ["First", "Then"], linked: [true, true, true] });
});

test("interpolation blends neighbours; without it each pixel is a square of its own", async () => {
  const edge = image({ rows: 8, columns: 8, values: Int16Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? -100 : 100)) });
  await store(edge);
  const page = await read(edge["0020000D"]![1] as string);
  await exact(page);
  const middle = async (interpolate: boolean): Promise<number[]> => {
    await page.evaluate((wanted) => {
      const viewport = window.reading.session.active.value!;
      viewport.interpolate.value = wanted;
      const { width, height } = viewport.rect.value;
      viewport.chosen.value = { ...viewport.chosen.value, zoom: 40, center: [width / 80, height / 80] };
    }, interpolate);
    // The edge lies at 160; half a pixel of the image to either side is blended.
    return (await colours(page, [145, 60], [159, 60], [161, 60], [175, 60])).map((c) => c[0]!);
  };
  expect(await middle(false)).toEqual([0, 0, 255, 255]);
  const [a, b, c, d] = await middle(true);
  expect([a! < b!, b! < c!, c! < d!]).toEqual([true, true, true]);
  expect(Math.abs(b! - 127)).toBeLessThan(14);
});
