// What every closed region says: area, and the statistics of the values inside.

import { measurable } from "../geometry/spacing";
import type { Vec2 } from "../geometry/vector";
import { statistics, type Bounds } from "./statistics";
import type { Surface } from "./surface";
import { areaUnit, type Result } from "./tool";

export function regionResults(
  surface: Surface,
  points: readonly Vec2[],
  bounds: Bounds,
  areaPixels: number,
  inside: (x: number, y: number) => boolean,
): Result[] {
  const spacing = surface.spacingAt(points);
  const area: Result[] = measurable(spacing)
    ? [{ quantity: "area", value: areaPixels * spacing.column * spacing.row, unit: areaUnit(spacing), source: spacing.source }]
    : [];
  const found = statistics(surface, bounds, inside);
  if (!found) return area;
  const { unit } = surface;
  return [
    ...area,
    { quantity: "mean", value: found.mean, unit },
    { quantity: "deviation", value: found.deviation, unit },
    { quantity: "min", value: found.min, unit },
    { quantity: "max", value: found.max, unit },
  ];
}
