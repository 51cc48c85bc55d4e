// What the page writes into the archive: presentation states as the server's renderer shows them,
// reports and key images listed, opened and removed again. tests/test_viewer.py has the objects of
// this file judged by other programs.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import { image } from "../instances";
import { BASE, click, drag, drawn, escape, measured, type Opened, read, settled, store, until } from "./support";

const [ROWS, COLUMNS] = [96, 128];
const study = newUid();
const series = newUid();
/** Four quadrants of different grey, and a ramp, so that every turn and mirroring looks different. */
const values = Int16Array.from({ length: ROWS * COLUMNS }, (_, i) => {
  const [x, y] = [i % COLUMNS, Math.floor(i / COLUMNS)];
  return (x < COLUMNS / 2 ? 0 : 300) + (y < ROWS / 2 ? 0 : 500) + x;
});
const slices = [1, 2, 3].map((number) =>
  image({ study, series, number, rows: ROWS, columns: COLUMNS, values, extra: { "00200032": ["DS", ["0", "0", String(number)]], "00281052": ["DS", "-100"], "00281050": ["DS", "400"], "00281051": ["DS", "1000"] } }),
);
let page: Opened;

beforeAll(async () => {
  await store(...slices);
  page = await read(study, "", { width: 1000, height: 640 });
  await page.click('button[aria-label="Measurements and key images"]');
});

const tool = (name: string): Promise<unknown> => page.evaluate((chosen) => (window.reading.session.tool.value = chosen as never), name);

async function objects(modality: string): Promise<string[]> {
  const response = await fetch(`${BASE}/dicom-web/studies/${study}/instances?Modality=${modality}`);
  if (response.status === 204) return [];
  return ((await response.json()) as { "00081190": { Value: string[] } }[]).map((row) => row["00081190"].Value[0]!);
}

async function keepView(name: string): Promise<void> {
  const before = (await objects("PR")).length;
  await page.click("text=Keep this view as GSPS");
  await until(page, () => document.activeElement?.matches("dialog input") ?? false);
  await page.keyboard.insertText(name);
  await page.keyboard.press("Enter");
  await page.locator(".stored b", { hasText: name }).waitFor();
  expect((await objects("PR")).length).toBe(before + 1);
}

/** Grey levels at places of the pane, and at the same places of the server's picture of the newest state. */
async function compared(): Promise<{ here: number[]; there: number[] }> {
  return page.evaluate(async () => {
    const { session, painter } = window.reading;
    const { study: ofStudy, series: ofSeries, instance } = session.documents.value.at(-1)!;
    const viewport = session.active.value!;
    const rect = viewport.rect.value;
    const [w, h] = [Math.floor(rect.width), Math.floor(rect.height)];
    const path = `/dicom-web/studies/${ofStudy}/series/${ofSeries}/instances/${instance}/rendered?viewport=${w},${h}`;
    const response = await fetch(path, { headers: { Accept: "image/png" } });
    if (!response.ok) throw new Error(await response.text());
    const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(bitmap, 0, 0);
    const { canvas } = painter.current!;
    painter.current!.draw(viewport);
    const seen = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true })!;
    seen.drawImage(canvas, 0, 0);
    const [here, there]: [number[], number[]] = [[], []];
    for (let n = 1; n < 10; n++)
      for (let m = 1; m < 10; m++) {
        const [x, y] = [Math.floor((bitmap.width * (n + 0.3)) / 10), Math.floor((bitmap.height * (m + 0.3)) / 10)];
        there.push(context.getImageData(x, y, 1, 1).data[0]!);
        const [left, top] = [rect.x + (w - bitmap.width) / 2 + x, rect.y + (h - bitmap.height) / 2 + y];
        here.push(seen.getImageData(Math.floor(left), Math.floor(top), 1, 1).data[0]!);
      }
    return { here, there };
  });
}

const look = { rotation: [0, 90, 180, 270], flips: [[false, false], [true, false], [false, true], [true, true]] } as const;
const TURNS = look.rotation.flatMap((rotation) => look.flips.map(([flipX, flipY]) => ({ rotation, flipX, flipY })));

test.each(TURNS)("a view turned by $rotation°, mirrored $flipX $flipY, is what the server renders of its state", async (turn) => {
  await page.evaluate((chosen) => {
    const viewport = window.reading.session.active.value!;
    viewport.chosen.value = { ...chosen };
    viewport.chosenVoi.value = { kind: "window", center: 300, width: 900, shape: "SIGMOID" };
    viewport.inverted.value = true;
    viewport.interpolate.value = false;
  }, turn);
  await settled(page);
  await keepView(`turned ${turn.rotation} ${turn.flipX} ${turn.flipY}`);
  const { here, there } = await compared();
  expect(Math.max(...here.map((v, i) => Math.abs(v - there[i]!)))).toBeLessThanOrEqual(3);
  expect(Math.max(...here) - Math.min(...here)).toBeGreaterThan(100);
});

test("a state opened again shows window, polarity, turn, area and lines as they were kept", async () => {
  await page.evaluate(() => {
    const { session } = window.reading;
    session.active.value!.reset();
    session.active.value!.scrollTo(1);
    session.annotations.value = [];
  });
  await settled(page);
  await tool("length");
  await drag(page, [20, 20], [60, 20]);
  await tool("ellipse");
  await drag(page, [70, 30], [110, 60]);
  await page.evaluate(() => {
    const viewport = window.reading.session.active.value!;
    viewport.chosenVoi.value = { kind: "window", center: 120, width: 340, shape: "LINEAR" };
    viewport.inverted.value = true;
    viewport.rotate(90);
    viewport.zoomTo(viewport.placement.value!.zoom * 1.5);
    viewport.panBy(30, -20);
  });
  await settled(page);
  const state = (): Promise<{ voi: unknown; inverted: boolean; rotation: number; zoom: number; center: readonly number[]; index: number }> =>
    page.evaluate(() => {
      const viewport = window.reading.session.active.value!;
      const { rotation, zoom, center } = viewport.placement.value!;
      return { voi: viewport.voi.value, inverted: viewport.inverted.value, rotation, zoom, center, index: viewport.index.value };
    });
  const kept = await state();
  const lines = await page.evaluate(() => [...document.querySelectorAll<SVGPathElement>(".annotation .stroke")].map((p) => p.getBBox()).map((b) => [b.x, b.y, b.width, b.height]));
  const texts = await page.locator(".annotation tspan").allTextContents();
  await keepView("胸部 A");
  await page.reload();
  await drawn(page);
  expect(await page.locator(".annotation").count()).toBe(0);
  await page.click('button[aria-label="Measurements and key images"]');
  await page.click(".stored >> text=胸部 A");
  await settled(page);
  const shown = await state();
  expect(shown).toMatchObject({ voi: kept.voi, inverted: true, rotation: 90, index: 1 });
  // The area is kept in whole pixels of the image.
  expect(shown.zoom / kept.zoom).toBeCloseTo(1, 1);
  kept.center.forEach((c, i) => expect(Math.abs(shown.center[i]! - c)).toBeLessThan(1));
  const again = await page.evaluate(() => [...document.querySelectorAll<SVGPathElement>(".annotation.state .stroke")].map((p) => p.getBBox()).map((b) => [b.x, b.y, b.width, b.height]));
  expect(again.length).toBe(lines.length);
  lines.forEach((box, i) => box.forEach((v, k) => expect(Math.abs(again[i]![k]! - v)).toBeLessThan(12)));
  expect(await page.locator(".annotation.state tspan").allTextContents()).toEqual(texts);
  await escape(page);
  await settled(page);
  expect(await page.locator(".annotation.state").count()).toBe(0);
});

test("every tool's measurement is in the stored report; one deleted is gone from the next, and none leaves none", async () => {
  await page.evaluate(() => window.reading.session.active.value!.scrollTo(0));
  await settled(page);
  for (const [name, points] of [
    ["length", [[10, 10], [50, 10]]],
    ["bidirectional", [[10, 20], [50, 30]]],
    ["rectangle", [[60, 10], [80, 30]]],
    ["ellipse", [[90, 10], [120, 30]]],
    ["freehand", [[10, 40], [30, 40], [30, 55], [10, 55]]],
  ] as const) {
    await tool(name);
    const [from, ...to] = points;
    await drag(page, from, ...to);
  }
  await tool("angle");
  await click(page, [40, 40], [40, 60], [60, 60]);
  await tool("cobb");
  await click(page, [70, 40], [100, 40], [70, 60], [100, 70]);
  await tool("probe");
  await click(page, [110, 50]);
  for (const [name, points] of [["arrow", [[20, 70], [40, 80]]], ["text", [[60, 80]]]] as const) {
    await tool(name);
    if (points.length === 2) await drag(page, points[0], points[1]);
    else await click(page, points[0]);
    await until(page, () => document.activeElement?.matches("dialog input") ?? false);
    await page.keyboard.insertText("结节");
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelector("dialog") === null);
  }
  const all = await measured(page);
  expect(all.length).toBe(10);
  await page.click("text=Save as DICOM SR");
  await until(page, () => window.reading.session.annotations.value.every((a) => a.saved));
  expect((await objects("SR")).length).toBe(1);
  await page.click(".measurements .icon-button >> nth=0");
  await page.click("text=Save as DICOM SR");
  await until(page, () => !window.reading.session.edited.value);
  expect((await objects("SR")).length).toBe(1);
  await page.reload();
  await drawn(page);
  await until(page, () => window.reading.session.annotations.value.length === 9);
  await page.evaluate(() => (window.reading.session.annotations.value = []));
  await page.reload();
  await drawn(page);
  await until(page, () => window.reading.session.annotations.value.length === 9);
  expect(await measured(page)).toEqual(all.slice(1));
});

test("key images are listed, replaced when saved again, and removed after a question", async () => {
  await page.keyboard.press("k");
  await page.click("text=Save key images");
  await until(page, () => document.querySelectorAll(".stored li").length > 2);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("k");
  await page.click("text=Save key images");
  await until(page, () => window.reading.session.documents.value.filter((d) => d.modality === "KO").length === 1);
  await page.waitForTimeout(300);
  expect((await objects("KO")).length).toBe(1);
  const views = await objects("PR");
  await page.click('button[aria-label="Delete from the archive: turned 0 false false"]');
  await until(page, () => document.activeElement?.closest("dialog") !== null);
  await escape(page);
  await until(page, () => document.querySelector("dialog") === null);
  expect((await objects("PR")).length).toBe(views.length);
  await page.click('button[aria-label="Delete from the archive: turned 0 false false"]');
  await page.click("dialog button.danger");
  await until(page, () => document.querySelector(".notice.info")?.textContent?.includes("Deleted") ?? false);
  expect((await objects("PR")).length).toBe(views.length - 1);
  expect(page.complaints).toEqual([]);
});
