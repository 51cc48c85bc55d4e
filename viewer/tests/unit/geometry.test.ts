import { expect, test } from "vitest";
import { fromPatient, letters, plane, referenceLine, toPatient } from "../../src/geometry/plane";
import { apply, fitZoom, imageToScreen, invert, screenDirections } from "../../src/geometry/view";
import { cut, toVoxel, volumeOf, type Volume } from "../../src/geometry/volume";
import { distance } from "../../src/geometry/vector";
import { arrange } from "../../src/dicom/stacks";
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

function block(count: number, step: (n: number) => readonly number[]): ReturnType<typeof arrange>["stacks"][0] {
  const series = "1.2.3";
  const instances = Array.from({ length: count }, (_, n) =>
    json(image({ series, study: "1.2", number: n + 1, extra: { "00200032": ["DS", step(n).map(String)] } })),
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

test("a missing slice is no volume to measure in", () => {
  expect(volumeOf(block(6, (n) => [0, 0, n < 3 ? n : n + 2]))).toBe("uneven");
});

test("a cut through a volume keeps millimetres", () => {
  const volume = volumeOf(block(5, (n) => [0, 0, n * 2])) as Volume;
  const coronal = cut(volume, volume.center, [1, 0, 0], [0, 0, -1]);
  expect(distance(toPatient(coronal, [0, 0]), toPatient(coronal, [0, 10]))).toBeCloseTo(10 * volume.finest);
  expect(fromPatient(coronal, volume.center).distance).toBeCloseTo(0);
});
