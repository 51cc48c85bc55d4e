// A stored state's grey levels, of pixels as they are stored: PS3.4 §N.2.

import { expect, test } from "vitest";
import { framesOf } from "../../src/dicom/image";
import type { Item } from "../../src/dicom/write";
import { grey } from "../../src/pixels/voi";
import { presentedVoi } from "../../src/tools/presentation";
import { image, json } from "../instances";

const CT: Item = { "00280103": ["US", 0], "00280101": ["US", 12], "00280102": ["US", 11], "00281052": ["DS", "-1024"] };
const window = (center: string, width: string, more: Item = {}): Item => ({
  "00283110": ["SQ", [{ "00281050": ["DS", center], "00281051": ["DS", width], ...more }]],
});
const rescale = (slope: string, intercept: string): Item => ({ "00281052": ["DS", intercept], "00281053": ["DS", slope] });

const frameOf = (extra: Item) => framesOf(json(image({ extra })))[0]!;
const voiOf = (state: Item, extra: Item = CT) => presentedVoi(json(state), frameOf(extra));

/** What the page shows of a stored value, 0 to 1. */
function level(state: Item, stored: number, extra: Item = CT): number {
  const { slope, intercept } = frameOf(extra).modality;
  const voi = voiOf(state, extra);
  if (!voi || voi === "unlike") throw new Error(`no grey levels: ${voi}`);
  return grey(voi, stored * slope + intercept);
}

test("a state's rescale takes the place of the image's", () => {
  expect(level({ ...rescale("1", "0"), ...window("1280", "2560") }, 1280)).toBeCloseTo(0.5, 3);
  expect(level({ ...rescale("2", "0"), ...window("2561", "5121") }, 1280)).toBeCloseTo(0.5, 3);
  expect(level({ ...rescale("1", "-1024"), ...window("256", "2560") }, 1280)).toBeCloseTo(0.5, 3);
});

test("a state without a modality transformation counts stored values", () => {
  expect(level(window("1280", "2560"), 1280)).toBeCloseTo(0.5, 3);
});

test("a state that repeats the image's rescale keeps its window as it is written", () => {
  expect(voiOf({ ...rescale("1", "-1024"), ...window("40", "400") })).toEqual({ kind: "window", center: 40, width: 400, shape: "LINEAR" });
});

test("LINEAR is one unit short of the state's values, not of the image's", () => {
  const state = { ...rescale("0.1", "0"), ...window("11", "21") };
  expect([level(state, 5), level(state, 105), level(state, 205)]).toEqual([0, expect.closeTo(0.5), expect.closeTo(1)]);
});

test("a state without a window shows the whole range of the pixels, not the image's window", () => {
  const state = rescale("1", "-1024");
  expect([level(state, 0), level(state, 4095)]).toEqual([0, 1]);
  expect(level(state, 2048)).toBeCloseTo(2048 / 4095);
  expect(level(window("40", "400", { "00081140": ["SQ", [{ "00081155": ["UI", "1.9.9"] }]] }), 4095)).toBe(1);
});

test("a state's VOI LUT begins where its own values do", () => {
  const lut: Item = { "00283010": ["SQ", [{ "00283002": ["US", [3, 1000, 8]], "00283006": ["US", [10, 20, 30]] }]] };
  const state: Item = { ...rescale("1", "0"), "00283110": ["SQ", [lut]] };
  expect([999, 1000, 1001, 1002].map((v) => Math.round(level(state, v) * 255))).toEqual([10, 10, 20, 30]);
  expect(voiOf({ ...state, ...rescale("3", "0") })).toBe("unlike");
});

test("a state's Modality LUT that the image has not is said not to be shown", () => {
  const table: Item = { "00283000": ["SQ", [{ "00283002": ["US", [2, 0, 8]], "00283004": ["LO", "OD"], "00283006": ["US", [9, 5]] }]] };
  expect(voiOf({ ...table, ...window("10", "20") })).toBe("unlike");
  expect(voiOf({ ...table, ...window("10", "20") }, { ...CT, ...table })).toMatchObject({ center: 10, width: 20 });
});
