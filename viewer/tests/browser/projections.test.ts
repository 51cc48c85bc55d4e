// Projection images: side and view upon the picture and in the strip, mammograms as they hang.

import { beforeAll, expect, test } from "vitest";
import { newUid } from "../../src/dicom/uid";
import type { Item } from "../../src/dicom/write";
import { image } from "../instances";
import { read, settled, store, until } from "./support";

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
