// Projection images: side and view upon the picture and in the strip, mammograms as they hang.

import { readFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { escape, read, settled, store, until } from "./support";

const [ROWS, COLUMNS] = [60, 40];
const [breasts, chest] = [newUid(), newUid()];
const NO_PLANE: Item = { "00200032": ["DS", []], "00200037": ["DS", []] };

/** All four views in one series, in the order in which they are often taken. */
const VIEWS = [
  ["L", "CC", ["A", "R"]],
  ["R", "CC", ["P", "L"]],
  ["L", "MLO", ["A", "FR"]],
  // As if its plate had been read from the other side: the chest wall is on its left.
  ["R", "MLO", ["A", "FL"]],
] as const;

beforeAll(async () => {
  const series = newUid();
  await store(
    ...VIEWS.map(([side, view, orientation], n) =>
      image({
        study: breasts,
        series,
        rows: ROWS,
        columns: COLUMNS,
        number: n + 1,
        extra: { "00080060": ["CS", "MG"], ...NO_PLANE, "00200062": ["CS", side], "00185101": ["CS", view], "00200020": ["CS", [...orientation]] },
      }),
    ),
    image({ study: chest, rows: ROWS, columns: COLUMNS, extra: { "00080060": ["CS", "DX"], ...NO_PLANE, "00185101": ["CS", "PA"] } }),
  );
});

test("right and left breast hang back to back, CC above MLO, each with its side and view", async () => {
  const page = await read(breasts, "", { width: 1300, height: 800 });
  await until(page, () => window.reading.session.viewports.value.length === 4 && window.reading.session.viewports.value.every((v) => v.pixels.value));
  await settled(page);
  expect(await page.locator(".pane .letter.side").allTextContents()).toEqual(["R CC", "L CC", "R MLO", "L MLO"]);
  expect(await page.locator(".tile .tile-view").allTextContents()).toEqual(["L CC", "R CC", "L MLO", "R MLO"]);
  // Where the chest wall of each is in its pane: at the border to the other breast.
  const walls = await page.evaluate((columns) =>
    window.reading.session.viewports.value.map((viewport) => {
      const [row] = viewport.frame.value!.dataset["00200020"]!.Value as string[];
      const m = viewport.toScreen.value!;
      return (m[0] * (row === "P" ? columns : 0) + m[4]) / viewport.rect.value.width;
    }), COLUMNS);
  walls.forEach((at, n) => expect(at).toBeCloseTo(n % 2 ? 0 : 1, 5));
});

test("a projection that does not say its side says that", async () => {
  const page = await read(chest);
  await until(page, () => document.querySelector(".pane .letter.side") !== null);
  expect(await page.textContent(".pane .letter.side")).toBe("side not stated PA");
  expect(await page.textContent(".tile")).toContain("side not stated");
});

const drawnOn = newUid();
/** Two planes: one of 8 x 8, at once in the metadata, one of the image's size fetched as bulk data, its lower end set. */
const PLANES: Item = {
  "60000010": ["US", 8],
  "60000011": ["US", 8],
  "60000040": ["CS", "G"],
  "60000050": ["SS", [11, 21]],
  "60003000": ["OW", new Uint8Array(8).fill(0xff)],
  "60020010": ["US", 120],
  "60020011": ["US", 120],
  "60020040": ["CS", "G"],
  "60020050": ["SS", [1, 1]],
  "60023000": ["OW", Uint8Array.from({ length: 1800 }, (_, i) => (i >= 1500 ? 0xff : 0))],
};

test("overlay planes are drawn where they lie, leave with the picture, and can be hidden", async () => {
  await store(image({ study: drawnOn, rows: 120, columns: 120, values: new Int16Array(120 * 120).fill(-100), extra: PLANES }));
  const page = await read(drawnOn);
  await until(page, () => {
    const layers = [...document.querySelectorAll<HTMLCanvasElement>("canvas[data-plane]")];
    return layers.length === 2 && layers.every((layer) => layer.getContext("2d")!.getImageData(0, 0, layer.width, layer.height).data.includes(255));
  });
  /** The saved picture's grey inside the first plane, beside it, and in the second one. */
  const saved = async (): Promise<number[]> => {
    await page.click('button[aria-label="Export and print"]');
    const download = page.waitForEvent("download");
    await page.click("text=Save all panes as PNG");
    const bytes = await readFile(await (await download).path());
    return page.evaluate(async (encoded) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0))]));
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
      context.drawImage(bitmap, 0, 0);
      const m = window.reading.session.active.value!.toScreen.value!;
      const { ratio } = window.reading.painter.current!;
      const places = [[24, 14], [34, 14], [80, 110]] as const;
      return places.map(([x, y]) => context.getImageData(Math.floor((m[0] * x + m[2] * y + m[4]) * ratio), Math.floor((m[1] * x + m[3] * y + m[5]) * ratio), 1, 1).data[0]!);
    }, bytes.toString("base64"));
  };
  expect(await saved()).toEqual([255, 0, 255]);
  await escape(page);
  await page.click('button[aria-label="Display and filters"]');
  await page.click(".menu >> text=Overlay planes");
  await escape(page);
  await settled(page);
  expect(await saved()).toEqual([0, 0, 0]);
});
