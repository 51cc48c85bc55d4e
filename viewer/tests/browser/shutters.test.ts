// Display shutters and presentation states of images in colour: shown, chosen, kept, opened again, and
// the same as what the server renders. tests/test_viewer.py has the states judged by other programs.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { image } from "../instances";
import { drag, drawn, escape, type Opened, read, settled, shown, store, until } from "./support";

const [ROWS, COLUMNS] = [96, 128];
const study = newUid();
const values = Int16Array.from({ length: ROWS * COLUMNS }, () => 100);
const grey = (number: number, extra: Parameters<typeof image>[0] = {}) => image({ study, rows: ROWS, columns: COLUMNS, values, number, ...extra });

/** Red to the right, green downwards, and a blue square in the middle. */
const rgb = Uint8Array.from({ length: ROWS * COLUMNS * 3 }, (_, i) => {
  const [p, sample] = [Math.floor(i / 3), i % 3];
  const [x, y] = [p % COLUMNS, Math.floor(p / COLUMNS)];
  return sample === 0 ? x * 2 : sample === 1 ? y * 2 : Math.abs(x - 64) < 16 && Math.abs(y - 48) < 16 ? 250 : 20;
});
const colourStudy = newUid();
const colour = image({
  study: colourStudy,
  rows: ROWS,
  columns: COLUMNS,
  values: rgb,
  extra: {
    "00080016": ["UI", "1.2.840.10008.5.1.4.1.1.7"],
    "00080060": ["CS", "OT"],
    "00280002": ["US", 3],
    "00280004": ["CS", "RGB"],
    "00280006": ["US", 0],
    "00280100": ["US", 8],
    "00280101": ["US", 8],
    "00280102": ["US", 7],
    "00280103": ["US", 0],
  },
});
let page: Opened;

async function opened(uid: string): Promise<void> {
  page = await read(uid, "", { width: 1000, height: 640 });
  await page.click('button[aria-label="Measurements and key images"]');
  await settled(page);
}

async function keepView(name: string): Promise<void> {
  await page.click("text=Keep this view as GSPS");
  await until(page, () => document.activeElement?.matches("dialog input") ?? false);
  await page.keyboard.insertText(name);
  await page.keyboard.press("Enter");
  await page.locator(".stored b", { hasText: name }).waitFor();
}

/** The pane as it would be saved, shutters and lines drawn upon it, at points of the image. */
async function seen(...points: (readonly [number, number])[]): Promise<number[][]> {
  await settled(page);
  return page.evaluate((all) => {
    const { session, painter } = window.reading;
    const viewport = session.active.value!;
    painter.current!.draw(viewport);
    const { canvas, ratio } = painter.current!;
    const rect = viewport.rect.value;
    const context = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(canvas, 0, 0);
    context.scale(ratio, ratio);
    context.translate(rect.x, rect.y);
    for (const path of document.querySelectorAll<SVGPathElement>(".shutter")) {
      context.fillStyle = path.style.fill;
      context.fill(new Path2D(path.getAttribute("d")!), "evenodd");
    }
    const m = viewport.toScreen.value!;
    return all.map(([x, y]) => {
      const [px, py] = [m[0] * x + m[2] * y + m[4], m[1] * x + m[3] * y + m[5]];
      return [...context.getImageData(Math.floor((rect.x + px) * ratio), Math.floor((rect.y + py) * ratio), 1, 1).data.subarray(0, 3)];
    });
  }, points);
}

/** What the server renders of the newest state, at points of the image, which it shows whole. */
async function server(...points: (readonly [number, number])[]): Promise<number[][]> {
  return page.evaluate(
    async ([all, columns, rows]) => {
      const { study: ofStudy, series, instance } = window.reading.session.documents.value.at(-1)!;
      const response = await fetch(`/dicom-web/studies/${ofStudy}/series/${series}/instances/${instance}/rendered`, { headers: { Accept: "image/png" } });
      if (!response.ok) throw new Error(await response.text());
      const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true })!;
      context.drawImage(bitmap, 0, 0);
      return all.map(([x, y]) => [...context.getImageData(Math.floor((x / columns) * bitmap.width), Math.floor((y / rows) * bitmap.height), 1, 1).data.subarray(0, 3)]);
    },
    [points, COLUMNS, ROWS] as const,
  );
}

const dark = (pixels: readonly number[][]): boolean[] => pixels.map((p) => Math.max(...p) < 12);

beforeAll(async () => {
  await store(
    grey(1, { series: newUid(), extra: { "00181600": ["CS", ["RECTANGULAR", "CIRCULAR"]], "00181602": ["IS", 21], "00181604": ["IS", 100], "00181606": ["IS", 11], "00181608": ["IS", 86], "00181610": ["IS", [48, 64]], "00181612": ["IS", 30], "0008103E": ["LO", "Own"] } }),
    colour,
  );
});

test("an image's own shutter covers all that is not in every one of its shapes, and is taken away", async () => {
  await opened(study);
  // Inside both; in the rectangle alone; in neither. The circle about (63.5, 47.5) has a radius of 30.
  const points = [[64, 48], [64, 20], [64, 16], [90, 48], [96, 48], [5, 5], [64, 90]] as const;
  expect(dark(await seen(...points))).toEqual([false, false, true, false, true, true, true]);
  await page.click('button[aria-label="Display and filters"]');
  await page.click(".menu >> text=/^Shutter$/");
  expect(dark(await seen(...points))).toEqual(points.map(() => false));
  await page.click(".menu >> text=/^Shutter$/");
  expect(dark(await seen(...points))).toEqual([false, false, true, false, true, true, true]);
  await escape(page);
});

test.each([
  ["rectangle", [[30, 20], [90, 70]], [[32.5, 22.5], [88.5, 68.5], [27.5, 45.5], [60.5, 74.5]]],
  ["ellipse", [[40, 20], [90, 70]], [[65.5, 45.5], [65.5, 24.5], [43.5, 23.5], [87.5, 66.5]]],
  ["freehand", [[30, 20], [90, 20], [90, 70]], [[80.5, 30.5], [40.5, 60.5], [60.5, 24.5], [95.5, 45.5]]],
] as const)("a shutter around a %s is kept, comes back, and is what the server renders", async (tool, path, points) => {
  await page.evaluate((name) => {
    const { session } = window.reading;
    session.annotations.value = [];
    session.active.value!.reset();
    session.tool.value = name as never;
  }, tool);
  await settled(page);
  const [from, ...to] = path;
  await drag(page, from, ...to);
  await page.click('button[aria-label="Display and filters"]');
  await page.click("text=Shutter around the selected region");
  await escape(page);
  await page.evaluate(() => (window.reading.session.annotations.value = []));
  const before = dark(await seen(...points));
  expect(before.filter((covered) => covered).length).toBe(2);
  await keepView(`shutter ${tool}`);
  expect(dark(await server(...points))).toEqual(before);
  await page.evaluate(() => (window.reading.session.active.value!.chosenShutter.value = "none"));
  expect(dark(await seen(...points))).toEqual(points.map(() => false));
  await page.click(`.stored >> text=shutter ${tool}`);
  expect(dark(await seen(...points))).toEqual(before);
  expect(page.complaints).toEqual([]);
});

test("a view of an image in colour is kept with its turn, shutter and lines, and is what the server renders", async () => {
  await opened(colourStudy);
  const points = [[64.5, 48.5], [20.5, 20.5], [110.5, 80.5], [110.5, 20.5]] as const;
  const whole = await shown(page, ...points);
  await page.evaluate(() => (window.reading.session.tool.value = "rectangle"));
  await drag(page, [10, 10], [100, 60]);
  await page.click('button[aria-label="Display and filters"]');
  await page.click("text=Shutter around the selected region");
  await escape(page);
  await page.evaluate(() => window.reading.session.active.value!.rotate(180));
  await keepView("in colour");
  const ours = await seen(...points);
  expect(dark(ours)).toEqual([false, false, true, true]);
  ours.slice(0, 2).forEach((pixel, i) => pixel.forEach((v, c) => expect(Math.abs(v - whole[i]![c]!)).toBeLessThanOrEqual(3)));
  // The server's picture is turned by 180 degrees.
  const theirs = await server(...points.map(([x, y]) => [COLUMNS - x, ROWS - y] as const));
  theirs.forEach((pixel, i) => pixel.forEach((v, c) => expect(Math.abs(v - ours[i]![c]!)).toBeLessThanOrEqual(6)));
  const kept = await page.evaluate(() => window.reading.session.documents.value.at(-1)!.sopClass);
  expect(kept).toBe("1.2.840.10008.5.1.4.1.1.11.2");
  await page.reload();
  await drawn(page);
  await page.click('button[aria-label="Measurements and key images"]');
  await page.click(".stored >> text=in colour");
  await settled(page);
  expect(await page.evaluate(() => window.reading.session.active.value!.placement.value!.rotation)).toBe(180);
  expect(dark(await seen(...points))).toEqual([false, false, true, true]);
  expect(await page.locator(".annotation.state .stroke").count()).toBe(1);
  // A window it could not hold is not left out in silence.
  await page.evaluate(() => (window.reading.session.active.value!.inverted.value = true));
  await page.click("text=Keep this view as GSPS");
  await until(page, () => document.activeElement?.matches("dialog input") ?? false);
  await page.keyboard.insertText("inverted");
  await page.keyboard.press("Enter");
  await until(page, () => document.querySelector(".notice.error")?.textContent?.includes("neither window nor inversion") ?? false);
  expect(page.complaints).toEqual([]);
});
