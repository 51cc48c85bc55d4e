// Statistics of the pixels whose centres lie in a region.

import type { Vec2 } from "../geometry/vector";
import type { Surface } from "./surface";

export interface Statistics {
  readonly count: number;
  readonly mean: number;
  readonly deviation: number; // of the sample, n - 1
  readonly min: number;
  readonly max: number;
}

export interface Bounds {
  readonly min: Vec2;
  readonly max: Vec2;
}

export function boundsOf(points: readonly Vec2[]): Bounds {
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  return { min: [Math.min(...xs), Math.min(...ys)], max: [Math.max(...xs), Math.max(...ys)] };
}

/** Undefined where nothing has a value, and while not all of the values are here: part of them is not the region. */
export function statistics(
  surface: Surface,
  bounds: Bounds,
  inside: (x: number, y: number) => boolean,
): Statistics | undefined {
  const x1 = Math.min(Math.ceil(bounds.max[0]), surface.size[0]);
  const y1 = Math.min(Math.ceil(bounds.max[1]), surface.size[1]);
  let count = 0;
  let mean = 0;
  let squares = 0; // Welford: sum of squared distances from the running mean
  let min = Infinity;
  let max = -Infinity;
  for (let y = Math.max(Math.floor(bounds.min[1]), 0); y < y1; y++)
    for (let x = Math.max(Math.floor(bounds.min[0]), 0); x < x1; x++) {
      if (!inside(x + 0.5, y + 0.5)) continue;
      const value = surface.value(x + 0.5, y + 0.5);
      if (value === undefined) continue;
      if (value === null) return undefined;
      count++;
      const delta = value - mean;
      mean += delta / count;
      squares += delta * (value - mean);
      if (value < min) min = value;
      if (value > max) max = value;
    }
  if (count === 0) return undefined;
  return { count, mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0, min, max };
}

/** Even-odd rule. */
export function insidePolygon(polygon: readonly Vec2[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i]!;
    const [xj, yj] = polygon[j]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Shoelace formula, in square pixels. */
export function polygonArea(polygon: readonly Vec2[]): number {
  let twice = 0;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++)
    twice += (polygon[j]![0] + polygon[i]![0]) * (polygon[j]![1] - polygon[i]![1]);
  return Math.abs(twice) / 2;
}
