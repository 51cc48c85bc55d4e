import { expect, test } from "vitest";
import { decodeRle } from "../../src/decode/rle";
import { decodeFrame, type FrameFormat } from "../../src/decode/frame";
import { widen422, ybrFullToRgb } from "../../src/pixels/color";
import { expandSegments, lookUp, lutFrom } from "../../src/pixels/lut";
import { framesOf, isPadding } from "../../src/dicom/image";
import type { Item } from "../../src/dicom/write";
import { grey, straight } from "../../src/pixels/voi";
import { image, json } from "../instances";

const NATIVE = "1.2.840.10008.1.2.1";
const format: FrameFormat = {
  rows: 1,
  columns: 4,
  samples: 1,
  photometric: "MONOCHROME2",
  planar: false,
  bitsAllocated: 16,
  bitsStored: 12,
  highBit: 11,
  signed: false,
  float: false,
};
const bytes = (...values: number[]) => new Uint8Array(Uint16Array.from(values).buffer);

test("LINEAR counts half a unit off the centre (PS3.3 C.11.2.1.2.1)", () => {
  const voi = { kind: "window", center: 2048, width: 4096, shape: "LINEAR" } as const;
  expect(grey(voi, 0)).toBe(0);
  expect(grey(voi, 4095)).toBe(1);
  expect(grey(voi, 2047.5)).toBeCloseTo(0.5);
});

test("a window chosen for SUV runs from end to end as it is written, one for whole values by LINEAR", () => {
  const frame = (extra = {}) => framesOf(json(image({ extra })))[0]!;
  expect(straight(frame())).toBe("LINEAR");
  const shape = straight(frame({ "00080060": ["CS", "PT"], "00541001": ["CS", "GML"] }));
  const chosen = { kind: "window", center: 2.5, width: 5, shape } as const;
  expect([grey(chosen, 0), grey(chosen, 4), grey(chosen, 5)]).toEqual([0, 0.8, 1]);
});

test("LINEAR of width 1 is a step; LINEAR_EXACT and SIGMOID are as written", () => {
  const step = { kind: "window", center: 100, width: 1, shape: "LINEAR" } as const;
  expect([grey(step, 99.5), grey(step, 99.6)]).toEqual([0, 1]);
  expect(grey({ kind: "window", center: 10, width: 20, shape: "LINEAR_EXACT" }, 15)).toBe(0.75);
  expect(grey({ kind: "window", center: 10, width: 20, shape: "SIGMOID" }, 15)).toBeCloseTo(1 / (1 + Math.exp(-1)));
});

test("a table clamps outside its range, and its first value has the pixels' sign", () => {
  const lut = lutFrom([3, 0xfffe, 8], [10, 20, 30], true)!;
  expect(lut.first).toBe(-2);
  expect([-9, -2, -1, 0, 7].map((v) => lookUp(lut, v))).toEqual([10, 10, 20, 30, 30]);
  expect(lutFrom([0, 0, 16], new Uint8Array(131072), false)!.entries.length).toBe(65536);
});

test("a segmented palette expands to its entries: discrete, linear, indirect (PS3.3 C.7.9.2)", () => {
  const words = Uint16Array.of(0, 2, 5, 9, 1, 3, 0, 2, 1, 0, 0);
  expect([...expandSegments(words)]).toEqual([5, 9, 6, 3, 0, 5, 9]);
});

test("bits above Bits Stored are no part of the value", async () => {
  const pixels = await decodeFrame(bytes(0x0fff, 0xf001, 0x8800, 7), NATIVE, format);
  expect([...pixels.values]).toEqual([4095, 1, 2048, 7]);
  const signed = await decodeFrame(bytes(0x0fff, 0xf001, 0x0800, 7), NATIVE, { ...format, signed: true });
  expect([...signed.values]).toEqual([-1, 1, -2048, 7]);
});

test("padding does not go through a Modality LUT, and no value of the table is padding", async () => {
  const table: Item = { "00283000": ["SQ", [{ "00283002": ["US", [4, 0, 16]], "00283004": ["LO", "OD"], "00283006": ["US", [7, 3, 2, 0]] }]] };
  const frame = framesOf(json(image({ extra: { ...table, "00280103": ["US", 0], "00280120": ["US", 0] } })))[0]!;
  const pixels = await decodeFrame(bytes(0, 1, 2, 3), NATIVE, { ...format, modalityLut: frame.modality.lut, padding: frame.modality.padding });
  expect([...pixels.values].map((v) => (isPadding(frame, v) ? "padding" : v))).toEqual(["padding", 3, 2, 0]);
});

test("a frame shorter than its size says so", async () => {
  await expect(decodeFrame(bytes(1, 2), NATIVE, format)).rejects.toThrow("the frame has 4 bytes, 8 are needed");
});

test("1-bit frames unpack from the lowest bit (PS3.5 8.1.1)", async () => {
  const pixels = await decodeFrame(Uint8Array.of(0b0101), NATIVE, { ...format, bitsAllocated: 1, bitsStored: 1, highBit: 0 });
  expect([...pixels.values]).toEqual([1, 0, 1, 0]);
});

test("planes become pixels, and YBR_FULL becomes RGB", async () => {
  const colour: FrameFormat = { ...format, columns: 2, samples: 3, bitsAllocated: 8, bitsStored: 8, highBit: 7, planar: true, photometric: "RGB" };
  const rgb = await decodeFrame(Uint8Array.of(1, 2, 3, 4, 5, 6), NATIVE, colour);
  expect([...rgb.values]).toEqual([1, 3, 5, 2, 4, 6]);
  const ybr = Uint8Array.of(76, 85, 255, 128, 128, 128);
  ybrFullToRgb(ybr);
  expect([...ybr]).toEqual([254, 0, 0, 128, 128, 128]);
  expect([...widen422(Uint8Array.of(10, 20, 1, 2), 2)]).toEqual([10, 1, 2, 20, 1, 2]);
});

test("RLE planes carry the high byte first (PS3.5 G.2)", () => {
  const segment = (...content: number[]): number[] => content;
  const high = segment(255, 1, 0, 2); // 1 twice (replicate), 2 once
  const low = segment(2, 7, 8, 9); // three literals
  const frame = new Uint8Array(64 + high.length + low.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 2, true);
  view.setUint32(4, 64, true);
  view.setUint32(8, 64 + high.length, true);
  frame.set(high, 64);
  frame.set(low, 64 + high.length);
  expect([...new Uint16Array(decodeRle(frame, 3, 1, 2).buffer)]).toEqual([0x107, 0x108, 0x209]);
});
