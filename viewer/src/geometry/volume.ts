// A stack of parallel frames as one block of voxels, and planes cut through it.
//
// Voxel coordinates have (0, 0, 0) at the outer corner of the first voxel, like image coordinates.

import type { Frame } from "../dicom/image";
import type { Stack } from "../dicom/stacks";
import type { Plane } from "./plane";
import { add, cross, dot, length, normalize, scale, subtract, type Vec3 } from "./vector";

export interface Volume {
  readonly frames: readonly Frame[]; // of one phase, in order of k
  readonly size: readonly [columns: number, rows: number, slices: number];
  readonly origin: Vec3; // centre of the first voxel, mm
  readonly steps: readonly [Vec3, Vec3, Vec3]; // mm from one voxel to the next along i, j, k
  readonly inverse: readonly [Vec3, Vec3, Vec3]; // rows that give voxel steps from mm
  readonly center: Vec3;
  readonly finest: number; // mm, the smallest voxel edge
}

export type NoVolume = "few" | "noPlane" | "mixed" | "colour" | "uneven";

export function volumeOf(stack: Stack, phase = 0): Volume | NoVolume {
  const count = stack.frames.length / stack.phases;
  if (!Number.isInteger(count) || count < 3) return "few";
  const frames = stack.frames.slice(phase * count, (phase + 1) * count);
  const first = frames[0]!;
  const last = frames.at(-1)!;
  if (first.format.samples !== 1 || first.palette) return "colour";
  if (!frames.every((f) => f.plane && f.spacing.source !== "none")) return "noPlane";
  const plane = first.plane!;
  const alike = frames.every(
    (f) =>
      f.format.rows === first.format.rows &&
      f.format.columns === first.format.columns &&
      f.frameOfReference === first.frameOfReference &&
      f.modality.unit === first.modality.unit &&
      near(f.plane!.columnSpacing, plane.columnSpacing) &&
      near(f.plane!.rowSpacing, plane.rowSpacing) &&
      dot(f.plane!.normal, plane.normal) > 0.9999 &&
      dot(f.plane!.right, plane.right) > 0.9999,
  );
  if (!alike) return "mixed";
  // The step between slices is where the positions lead, which for a tilted gantry is not the normal.
  const step = scale(subtract(last.plane!.origin, plane.origin), 1 / (count - 1));
  const along = dot(step, plane.normal);
  if (Math.abs(along) < 1e-4) return "noPlane";
  const off = frames.map((f, k) => subtract(subtract(f.plane!.origin, plane.origin), scale(step, k)));
  const depth = off.map((d) => dot(d, plane.normal) / along);
  const sideways = off.map((d, k) => length(subtract(d, scale(plane.normal, depth[k]! * along))));
  if (Math.max(...sideways) > Math.max(plane.columnSpacing, plane.rowSpacing)) return "mixed";
  if (Math.max(...depth.map(Math.abs)) > DRIFT || gapped(depth)) return "uneven";
  const i = scale(plane.right, plane.columnSpacing);
  const j = scale(plane.down, plane.rowSpacing);
  const size = [first.format.columns, first.format.rows, count] as const;
  const half = add(add(scale(i, (size[0] - 1) / 2), scale(j, (size[1] - 1) / 2)), scale(step, (count - 1) / 2));
  return {
    frames,
    size,
    origin: plane.origin,
    steps: [i, j, step],
    inverse: inverse3(i, j, step),
    center: add(plane.origin, half),
    finest: Math.min(plane.columnSpacing, plane.rowSpacing, length(step)),
  };
}

/** Slices farther from where even spacing has them, in slices, are not where a cut would show them. */
const DRIFT = 0.25;

const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-3 * b;

/**
 * Whether a slice is missing: two neighbours lie half as far again from each other as most do. All
 * slices together do not show it, a gap in the middle being shared out among them. `depth`: of each
 * slice from even spacing.
 */
function gapped(depth: readonly number[]): boolean {
  const gaps = depth.slice(1).map((d, k) => 1 + d - depth[k]!);
  const usual = [...gaps].sort((a, b) => a - b)[(gaps.length - 1) >> 1]!;
  return gaps.some((gap) => Math.abs(gap - usual) > 0.5 * usual);
}

/** Rows of the inverse of the matrix with columns a, b, c. */
function inverse3(a: Vec3, b: Vec3, c: Vec3): [Vec3, Vec3, Vec3] {
  const det = dot(a, cross(b, c));
  return [scale(cross(b, c), 1 / det), scale(cross(c, a), 1 / det), scale(cross(a, b), 1 / det)];
}

export function toVoxel(volume: Volume, point: Vec3): Vec3 {
  const d = subtract(point, volume.origin);
  return [
    dot(volume.inverse[0], d) + 0.5,
    dot(volume.inverse[1], d) + 0.5,
    dot(volume.inverse[2], d) + 0.5,
  ];
}

export function corners(volume: Volume): Vec3[] {
  const [i, j, k] = volume.steps;
  const out: Vec3[] = [];
  for (const x of [-0.5, volume.size[0] - 0.5])
    for (const y of [-0.5, volume.size[1] - 0.5])
      for (const z of [-0.5, volume.size[2] - 0.5])
        out.push(add(volume.origin, add(add(scale(i, x), scale(j, y)), scale(k, z))));
  return out;
}

/** Least and greatest coordinate of the volume along a direction, mm. */
export function extent(volume: Volume, direction: Vec3): readonly [number, number] {
  const along = corners(volume).map((corner) => dot(corner, direction));
  return [Math.min(...along), Math.max(...along)];
}

/**
 * The plane through `point` spanned by `right` and `down`, large enough to hold every cut of the
 * volume in this direction, so that scrolling along the normal keeps image coordinates in place.
 */
export function cut(volume: Volume, point: Vec3, right: Vec3, down: Vec3): Plane {
  const normal = normalize(cross(right, down));
  const spacing = volume.finest;
  const [left, end] = extent(volume, right);
  const [top, bottom] = extent(volume, down);
  const depth = dot(point, normal);
  const corner = add(add(scale(right, left + spacing / 2), scale(down, top + spacing / 2)), scale(normal, depth));
  return {
    origin: corner,
    right,
    down,
    normal,
    columnSpacing: spacing,
    rowSpacing: spacing,
    columns: Math.max(Math.round((end - left) / spacing), 1),
    rows: Math.max(Math.round((bottom - top) / spacing), 1),
  };
}
