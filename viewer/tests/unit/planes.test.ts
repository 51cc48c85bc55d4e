import { expect, test } from "vitest";
import type { Dataset } from "../../src/dicom/json";
import { bitsOf, overlayPlanes } from "../../src/dicom/planes";

const plane = (extra: Dataset = {}, group = "6000"): Dataset => ({
  "00280100": { vr: "US", Value: [16] },
  [`${group}0010`]: { vr: "US", Value: [3] },
  [`${group}0011`]: { vr: "US", Value: [5] },
  [`${group}0040`]: { vr: "CS", Value: ["G"] },
  [`${group}0050`]: { vr: "SS", Value: [2, -1] },
  [`${group}3000`]: { vr: "OW", InlineBinary: "AAAA" },
  ...extra,
});

test("a plane has its size, its place upon the image and its kind", () => {
  expect(overlayPlanes(plane(), 1)).toEqual([{ group: "6000", kind: "G", rows: 3, columns: 5, origin: [1, -2], index: 0, there: true }]);
  expect(overlayPlanes(plane({}, "601E"), 1)[0]?.group).toBe("601E");
  // 6020 is no overlay group, and what is neither graphics nor a region is not drawn.
  expect(overlayPlanes(plane({}, "6020"), 1)).toEqual([]);
  expect(overlayPlanes(plane({ "60000040": { vr: "CS", Value: ["X"] } }), 1)).toEqual([]);
});

test("frames of a plane belong to the image's from Image Frame Origin on; a plane of one is every frame's", () => {
  const several = plane({ "60000015": { vr: "IS", Value: [2] }, "60000051": { vr: "US", Value: [3] } });
  expect([1, 2, 3, 4, 5].map((frame) => overlayPlanes(several, frame)[0]?.index)).toEqual([undefined, undefined, 0, 1, undefined]);
  expect([1, 7].map((frame) => overlayPlanes(plane(), frame)[0]?.index)).toEqual([0, 0]);
});

test("bits come lowest first and run on over the frames; too few are no plane", () => {
  const [first] = overlayPlanes(plane({ "60000015": { vr: "IS", Value: [2] } }), 2);
  // Frame 1 of 15 bits, then frame 2: its first pixel is the highest bit of the second octet.
  expect([...bitsOf(first!, Uint8Array.of(0xff, 0xff, 0b10, 0))!]).toEqual([1, 0, 1, ...Array<number>(12).fill(0)]);
  expect(bitsOf(first!, Uint8Array.of(0xff, 0xff, 0))).toBeUndefined();
});

test("a plane in the bits of the samples is one, and cannot be seen", () => {
  const { "60003000": _, ...without } = plane({ "60000100": { vr: "US", Value: [16] }, "60000102": { vr: "US", Value: [12] } });
  expect(overlayPlanes(without, 1)[0]?.there).toBe(false);
});
