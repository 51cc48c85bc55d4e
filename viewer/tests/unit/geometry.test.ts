import { expect, test } from "vitest";
import { fromPatient, letters, plane, referenceLine, toPatient } from "../../src/geometry/plane";
import { apply, fitZoom, imageToScreen, invert, screenDirections } from "../../src/geometry/view";
import { cut, toVoxel, volumeOf, type Volume } from "../../src/geometry/volume";
import type { FrameStore } from "../../src/net/frames";
import { cutSurface } from "../../src/reading/viewport";
import { distance } from "../../src/geometry/vector";
import { arrange } from "../../src/dicom/stacks";
import type { Item } from "../../src/dicom/write";
import { image, json } from "../instances";

const axial = plane([-100, -120, 30], [1, 0, 0, 0, 1, 0], [0.8, 0.4], [512, 256])!;

test("image position names the centre of the first pixel (PS3.3 C.7.6.2.1.1)", () => {
  expect(toPatient(axial, [0.5, 0.5])).toEqual([-100, -120, 30]);
  expect(toPatient(axial, [1.5, 0.5])[0]).toBeCloseTo(-99.6);
  expect(toPatient(axial, [0.5, 1.5])[1]).toBeCloseTo(-119.2);
});

test("a point of the patient comes back to its pixel", () => {
  const { at, distance: off } = fromPatient(axial, toPatient(axial, [17.25, 99.5]));
  expect(at[0]).toBeCloseTo(17.25);
  expect(at[1]).toBeCloseTo(99.5);
  expect(off).toBeCloseTo(0);
});

test("orientation letters follow the patient: left, posterior, head", () => {
  expect(letters([1, 0, 0])).toBe("L");
  expect(letters([0, -1, 0])).toBe("A");
  expect(letters([0, 0, -1])).toBe("F");
  expect(letters([0.8, 0.6, 0])).toBe("LP");
});

test("parallel direction cosines are no plane", () => {
  expect(plane([0, 0, 0], [1, 0, 0, 1, 0, 0], [1, 1], [2, 2])).toBeUndefined();
});

test("a sagittal scout is cut by an axial plane in a horizontal line", () => {
  const sagittal = plane([0, -120, 80], [0, 1, 0, 0, 0, -1], [1, 1], [200, 100])!;
  const line = referenceLine(sagittal, axial)!;
  expect(line[0]![1]).toBeCloseTo(50.5);
  expect(line[1]![1]).toBeCloseTo(50.5);
});

test("turning a view a quarter clockwise takes the image's top to the right", () => {
  const view = { center: [50, 50], zoom: 2, rotation: 90, flipX: false, flipY: false } as const;
  const m = imageToScreen(view, 1, [400, 400]);
  expect(apply(m, [50, 0])).toEqual([expect.closeTo(300), expect.closeTo(200)]);
  expect(apply(invert(m), [300, 200])).toEqual([expect.closeTo(50), expect.closeTo(0)]);
  expect(screenDirections(view).right[1]).toBeCloseTo(-1);
});

test("fitting respects pixels that are not square", () => {
  expect(fitZoom([100, 50], 2, 0, [300, 200])).toBe(2);
  expect(fitZoom([100, 50], 1, 90, [300, 200])).toBe(2);
});

function block(count: number, step: (n: number) => readonly number[], more: (n: number) => Item = () => ({})): ReturnType<typeof arrange>["stacks"][0] {
  const series = "1.2.3";
  const instances = Array.from({ length: count }, (_, n) =>
    json(image({ series, study: "1.2", number: n + 1, extra: { "00200032": ["DS", step(n).map(String)], ...more(n) } })),
  );
  return arrange(instances).stacks[0]!;
}

test("slices become a volume whose voxels are where the slices are, tilted gantry included", () => {
  const volume = volumeOf(block(5, (n) => [0, n * 0.5, n * 2])) as Volume;
  expect(volume.size).toEqual([64, 64, 5]);
  const voxel = toVoxel(volume, [5, 0.5 + 3, 2]);
  expect(voxel[0]).toBeCloseTo(10.5);
  expect(voxel[1]).toBeCloseTo(6.5);
  expect(voxel[2]).toBeCloseTo(1.5);
});

test("a missing slice is no volume to measure in, wherever among many it is", () => {
  expect(volumeOf(block(6, (n) => [0, 0, n < 3 ? n : n + 2]))).toBe("uneven");
  for (const missing of [1, 20, 39]) expect(volumeOf(block(40, (n) => [0, 0, (n < missing ? n : n + 1) * 5]))).toBe("uneven");
  expect(volumeOf(block(3, (n) => [0, 0, [0, 1, 3][n]!]))).toBe("uneven");
});

test("positions rounded to a tenth of a millimetre are even, a spacing that changes on the way is not", () => {
  expect(volumeOf(block(40, (n) => [0, 0, Math.round(n * 6.25) / 10]))).toMatchObject({ size: [64, 64, 40] });
  expect(volumeOf(block(40, (n) => [0, 0, n < 20 ? n : 20 + (n - 20) * 1.25]))).toBe("uneven");
});

test("slices of another scale, or moved sideways, are no part of the volume", () => {
  expect(volumeOf(block(5, (n) => [n === 2 ? 3 : 0, 0, n]))).toBe("mixed");
  expect(volumeOf(block(5, (n) => [0, 0, n], (n): Item => (n === 2 ? { "00280030": ["DS", ["0.6", "0.6"]] } : {})))).toBe("mixed");
  expect(volumeOf(block(5, (n) => [0, 0, n], () => ({ "00280030": ["DS", []] })))).toBe("noPlane");
});

test("a cut through a volume keeps millimetres", () => {
  const volume = volumeOf(block(5, (n) => [0, 0, n * 2])) as Volume;
  const coronal = cut(volume, volume.center, [1, 0, 0], [0, 0, -1]);
  expect(distance(toPatient(coronal, [0, 0]), toPatient(coronal, [0, 10]))).toBeCloseTo(10 * volume.finest);
  expect(fromPatient(coronal, volume.center).distance).toBeCloseTo(0);
});

test("a value on a cut that padding is part of is none", () => {
  const volume = volumeOf(block(4, (n) => [0, 0, n], () => ({ "00280120": ["SS", -2000] }))) as Volume;
  const values = Int16Array.from({ length: 64 * 64 }, (_, i) => (i % 64 < 10 ? -2000 : 100));
  const store = { get: () => ({ values, samples: 1, columns: 64, rows: 64 }) } as unknown as FrameStore;
  const plane = volume.frames[1]!.plane!;
  const surface = cutSurface(store, volume, plane);
  expect([5.5, 9.9, 10.5, 20.25].map((x) => surface.value(x, 30.5))).toEqual([undefined, undefined, 100, 100]);
});
