// Where an image lies in the patient: PS3.3 §C.7.6.2.1.1.
//
// Image coordinates here put (0, 0) at the outer corner of the first pixel, so its centre, which
// Image Position (Patient) names, is (0.5, 0.5). This is also what SCOORD uses (PS3.3 §C.18.6.1.1).

import { add, cross, distance, dot, length, normalize, scale, subtract, type Vec2, type Vec3 } from "./vector";

export interface Plane {
  readonly origin: Vec3; // centre of the first pixel, mm
  readonly right: Vec3; // unit vector along a row, towards growing column
  readonly down: Vec3; // unit vector along a column, towards growing row
  readonly normal: Vec3;
  readonly columnSpacing: number; // mm between columns
  readonly rowSpacing: number; // mm between rows
  readonly columns: number;
  readonly rows: number;
}

export function plane(
  position: readonly number[],
  orientation: readonly number[],
  spacing: readonly [rowSpacing: number, columnSpacing: number],
  size: readonly [columns: number, rows: number],
): Plane | undefined {
  if (position.length < 3 || orientation.length < 6) return undefined;
  if (![...position, ...orientation].every(Number.isFinite)) return undefined;
  const right = normalize(orientation.slice(0, 3) as unknown as Vec3);
  const down = normalize(orientation.slice(3, 6) as unknown as Vec3);
  const normal = normalize(cross(right, down));
  if (dot(normal, normal) < 0.5) return undefined; // parallel or zero direction cosines
  return {
    origin: position.slice(0, 3) as unknown as Vec3,
    right,
    down,
    normal,
    rowSpacing: spacing[0],
    columnSpacing: spacing[1],
    columns: size[0],
    rows: size[1],
  };
}

export function toPatient(p: Plane, [x, y]: Vec2): Vec3 {
  const along = scale(p.right, (x - 0.5) * p.columnSpacing);
  return add(add(p.origin, along), scale(p.down, (y - 0.5) * p.rowSpacing));
}

/** The point's foot on the plane in image coordinates, and its signed distance in mm. */
export function fromPatient(p: Plane, point: Vec3): { at: Vec2; distance: number } {
  const d = subtract(point, p.origin);
  return {
    at: [dot(d, p.right) / p.columnSpacing + 0.5, dot(d, p.down) / p.rowSpacing + 0.5],
    distance: dot(d, p.normal),
  };
}

/**
 * Directions of a plane through the points, upright as the nearest of axial, coronal and sagittal
 * is. Points on one line leave it open: then the plane is as near to one of the three as can be.
 */
export function uprightThrough(points: readonly Vec3[]): { right: Vec3; down: Vec3 } {
  // Newell's normal: that of the points as a closed outline.
  let normal: Vec3 = [0, 0, 0];
  points.forEach((p, i) => (normal = add(normal, cross(p, points[(i + 1) % points.length]!))));
  const spread = Math.max(...points.map((p) => distance(p, points[0]!)));
  if (length(normal) < 1e-3 * spread * spread || spread === 0) {
    const along = normalize(subtract(points.at(-1)!, points[0]!));
    const axis = AXES.reduce((a, b) => (Math.abs(dot(b, along)) < Math.abs(dot(a, along)) - 1e-6 ? b : a));
    normal = subtract(axis, scale(along, dot(axis, along)));
  }
  normal = normalize(normal);
  const [, y, z] = normal.map(Math.abs) as unknown as Vec3;
  const sagittal = Math.abs(normal[0]) > Math.max(y, z);
  const [base, below]: readonly [Vec3, Vec3] = sagittal ? [[0, 1, 0], [0, 0, -1]] : y > z ? [[1, 0, 0], [0, 0, -1]] : [[1, 0, 0], [0, 1, 0]];
  const right = normalize(subtract(base, scale(normal, dot(base, normal))));
  const down = cross(normal, right);
  return { right, down: dot(down, below) < 0 ? scale(down, -1) : down };
}

const AXES: readonly Vec3[] = [[0, 0, 1], [0, 1, 0], [1, 0, 0]];

export const parallel = (a: Plane, b: Plane): boolean => Math.abs(dot(a.normal, b.normal)) > 0.995;

/**
 * The line in which the rectangle of `other` cuts `self`, in image coordinates of `self`.
 * Undefined when the planes are parallel or the rectangle does not reach the plane.
 */
export function referenceLine(self: Plane, other: Plane): readonly [Vec2, Vec2] | undefined {
  if (parallel(self, other)) return undefined;
  const corners: Vec2[] = [
    [0, 0],
    [other.columns, 0],
    [other.columns, other.rows],
    [0, other.rows],
  ];
  const points = corners.map((corner) => toPatient(other, corner));
  const side = points.map((point) => dot(subtract(point, self.origin), self.normal));
  const cuts: Vec2[] = [];
  for (let i = 0; i < 4; i++) {
    const j = (i + 1) % 4;
    const a = side[i]!;
    const b = side[j]!;
    if (a < 0 === b < 0) continue;
    const point = add(points[i]!, scale(subtract(points[j]!, points[i]!), a / (a - b)));
    cuts.push(fromPatient(self, point).at);
  }
  return cuts.length === 2 ? [cuts[0]!, cuts[1]!] : undefined;
}

/** Letters of the patient's side a direction points to, the strongest first: PS3.3 §C.7.6.1.1.1. */
export function letters(direction: Vec3): string {
  const axes = [
    { size: Math.abs(direction[0]), letter: direction[0] > 0 ? "L" : "R" },
    { size: Math.abs(direction[1]), letter: direction[1] > 0 ? "P" : "A" },
    { size: Math.abs(direction[2]), letter: direction[2] > 0 ? "H" : "F" },
  ];
  return axes
    .filter((axis) => axis.size > 0.2)
    .sort((a, b) => b.size - a.size)
    .slice(0, 2)
    .map((axis) => axis.letter)
    .join("");
}
