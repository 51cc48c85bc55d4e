// One test a tool: drawn with the mouse on a phantom, read from the page.

import { beforeAll, expect, test } from "vitest";
import { image } from "../instances";
import { click, drag, measured, open, read, settled, store, uid, until, type Opened } from "./support";
import type { Item } from "../../src/dicom/write";

const SIDE = 256;
/** 100 HU in a disc of radius 60 pixels about (128, 128), -1000 outside; pixels of 0.5 x 0.5 mm. */
const disc = Int16Array.from({ length: SIDE * SIDE }, (_, i) =>
  Math.hypot((i % SIDE) + 0.5 - 128, Math.floor(i / SIDE) + 0.5 - 128) <= 60 ? 100 : -1000,
);
const phantom = image({ rows: SIDE, columns: SIDE, values: disc });
let page: Opened;

beforeAll(async () => {
  await store(phantom);
  page = await read(uid(phantom, "0020000D"));
});

async function choose(tool: string): Promise<void> {
  await page.evaluate((name) => {
    window.reading.session.annotations.value = [];
    window.reading.session.tool.value = name as never;
  }, tool);
}

const numbers = (text: string): number[] => (text.replaceAll(",", "").match(/-?\d+(\.\d+)?/g) ?? []).map(Number);
const near = (value: number | undefined, wanted: number, part = 0.005): void => {
  expect(value).toBeDefined();
  expect(Math.abs(value! - wanted)).toBeLessThanOrEqual(Math.max(Math.abs(wanted) * part, 0.06));
};

test("length: the disc's diameter is 60 mm", async () => {
  await choose("length");
  await drag(page, [68, 128], [188, 128]);
  const [text] = await measured(page);
  expect(text).toContain("mm");
  near(numbers(text!)[0], 60, 0.01);
});

test("angle: a right angle is 90°", async () => {
  await choose("angle");
  await click(page, [60, 60], [60, 160], [160, 160]);
  near(numbers((await measured(page))[0]!)[0], 90, 0.01);
});

test("Cobb: two lines 30° apart", async () => {
  await choose("cobb");
  await click(page, [60, 60], [160, 60], [60, 120], [160, 120 + 100 * Math.tan(Math.PI / 6)]);
  near(numbers((await measured(page))[0]!)[0], 30, 0.02);
});

test("rectangle: area, mean, deviation, least and greatest value in HU", async () => {
  await choose("rectangle");
  await drag(page, [108, 108], [148, 148]);
  const [text] = await measured(page);
  const [area, mean, deviation, min, max] = numbers(text!.replace("mm²", ""));
  near(area, 400, 0.06);
  expect([mean, deviation, min, max]).toEqual([100, 0, 100, 100]);
  expect(text).toContain("HU");
});

test("ellipse: a circle around the disc has its share of air", async () => {
  await choose("ellipse");
  await drag(page, [48, 48], [208, 208]);
  const [area, mean, , min, max] = numbers((await measured(page))[0]!.replace("mm²", ""));
  near(area, Math.PI * 40 * 40, 0.03);
  near(mean, 100 * (9 / 16) - 1000 * (7 / 16), 0.05);
  expect([min, max]).toEqual([-1000, 100]);
});

test("freehand: the path's area", async () => {
  await choose("freehand");
  await drag(page, [100, 100], [150, 100], [150, 150], [100, 150], [100, 104]);
  near(numbers((await measured(page))[0]!)[0], 625, 0.06);
});

test("polygon: corners by click, closed by a double click", async () => {
  await choose("polygon");
  await click(page, [100, 100], [150, 100]);
  const { at } = await import("./support");
  await page.mouse.dblclick(...(await at(page, 150, 150)));
  near(numbers((await measured(page))[0]!)[0], 312.5, 0.05);
});

test("probe: the value under the pointer", async () => {
  await choose("probe");
  await click(page, [128, 128]);
  expect((await measured(page))[0]).toContain("100.0 HU");
});

test("bidirectional: the short axis is half the long one until it is moved", async () => {
  await choose("bidirectional");
  await drag(page, [68, 128], [188, 128]);
  const [long, short] = numbers((await measured(page))[0]!);
  near(long, 60, 0.01);
  near(short, 30, 0.01);
});

test("arrow and text: the words typed are on the picture", async () => {
  for (const [tool, points] of [["arrow", [[100, 100], [140, 140]]], ["text", [[60, 200]]]] as const) {
    await choose(tool);
    if (points.length === 2) await drag(page, points[0], points[1]!);
    else await click(page, points[0]);
    await until(page, () => document.activeElement?.matches("dialog input") ?? false);
    await page.keyboard.insertText("结节 A");
    await page.keyboard.press("Enter");
    await until(page, () => document.querySelector("dialog") === null);
    expect((await measured(page))[0]).toContain("结节 A");
    expect(await page.locator(".overlay .label").first().textContent()).toContain("结节 A");
  }
});

test("a handle dragged changes the measurement, Delete removes it", async () => {
  await choose("length");
  await drag(page, [68, 128], [188, 128]);
  await drag(page, [188, 128], [128, 128]);
  near(numbers((await measured(page))[0]!)[0], 30, 0.02);
  await page.keyboard.press("Delete");
  expect(await measured(page)).toEqual([]);
});

test("measurements saved as SR come back when the study is opened again, and replace the old ones", async () => {
  await choose("length");
  await drag(page, [68, 128], [188, 128]);
  await page.evaluate(() => (window.reading.session.tool.value = "ellipse"));
  await drag(page, [108, 108], [148, 148]);
  const before = await measured(page);
  await page.click("text=Save as DICOM SR");
  await until(page, () => window.reading.session.annotations.value.every((a) => a.saved));
  await page.reload();
  await until(page, () => window.reading?.session.annotations.value.length === 2);
  const { drawn } = await import("./support");
  await drawn(page);
  expect(await measured(page)).toEqual(before);
  expect(page.complaints).toEqual([]);
});

test("at the detector a length says so", async () => {
  const film: Item = { "00080060": ["CS", "DX"], "00280030": ["DS", []], "00181164": ["DS", ["0.5", "0.5"]] };
  const object = image({ rows: SIDE, columns: SIDE, values: disc, extra: film });
  await store(object);
  const other = await read(uid(object, "0020000D"));
  await other.evaluate(() => (window.reading.session.tool.value = "length"));
  await drag(other, [68, 128], [188, 128]);
  expect((await measured(other))[0]).toContain("at the detector");
});

test("every tool's key chooses it, and no key of the map fails", async () => {
  const study = uid(phantom, "0020000D");
  const keyed = await read(study);
  for (const [key, tool] of [["l", "length"], ["a", "angle"], ["e", "ellipse"], ["p", "pan"], ["w", "window"]] as const) {
    await keyed.keyboard.press(key);
    expect(await keyed.evaluate(() => window.reading.session.tool.value)).toBe(tool);
  }
  await keyed.keyboard.press("i");
  await keyed.keyboard.press(".");
  await keyed.keyboard.press("h");
  await settled(keyed);
  expect(await keyed.evaluate(() => ({ ...window.reading.session.active.value!.chosen.value, i: window.reading.session.active.value!.inverted.value }))).toMatchObject({
    rotation: 270,
    flipX: true,
    i: true,
  });
  await keyed.keyboard.press("?");
  expect(await keyed.locator("dialog kbd").count()).toBeGreaterThan(30);
});

test("no study in the address is said, not shown as black", async () => {
  const empty = await open("read.html?lang=en");
  await until(empty, () => document.querySelector(".pane-state[role=alert]")?.textContent?.includes("names no study") ?? false);
  const unknown = await open("read.html?lang=en&study=1.2.3.4.5");
  await until(unknown, () => document.querySelector(".pane-state[role=alert] a") !== null);
});
