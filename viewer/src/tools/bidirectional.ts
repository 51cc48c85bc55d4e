// Two perpendicular diameters (RECIST, WHO). Points: long axis ends, then short axis ends.

import { measurable } from "../geometry/spacing";
import { add2, middle2, subtract2, type Vec2 } from "../geometry/vector";
import type { Surface } from "./surface";
import { lengthUnit, moved, physical, type Tool } from "./tool";

/** The direction perpendicular to `v` in the patient, which unequal spacing bends in the image. */
function perpendicular(v: Vec2, surface: Surface, at: readonly Vec2[]): Vec2 {
  const { row, column } = surface.spacingAt(at);
  return [(-v[1] * row) / column, (v[0] * column) / row];
}

function shortAxis(a: Vec2, b: Vec2, center: Vec2, half: number, surface: Surface): [Vec2, Vec2] {
  const p = perpendicular(subtract2(b, a), surface, [a, b]);
  const size = Math.hypot(p[0], p[1]) || 1;
  const v: Vec2 = [(p[0] / size) * half, (p[1] / size) * half];
  return [subtract2(center, v), add2(center, v)];
}

export const bidirectionalTool: Tool = {
  name: "bidirectional",
  gesture: "drag",
  count: 2,
  complete: (points, surface) => {
    const [a, b] = points as [Vec2, Vec2];
    return [a, b, ...shortAxis(a, b, middle2(a, b), Math.hypot(b[0] - a[0], b[1] - a[1]) / 4, surface)];
  },
  move: (points, index, to, surface) => {
    const next = moved(points, index, to) as readonly [Vec2, Vec2, Vec2, Vec2];
    const [a, b, c, d] = next;
    if (index < 2) {
      const half = Math.hypot(d[0] - c[0], d[1] - c[1]) / 2;
      return [a, b, ...shortAxis(a, b, middle2(a, b), half, surface)];
    }
    const other = index === 2 ? d : c;
    const p = perpendicular(subtract2(b, a), surface, [a, b]);
    const along = ((to[0] - other[0]) * p[0] + (to[1] - other[1]) * p[1]) / (p[0] * p[0] + p[1] * p[1] || 1);
    return moved(points, index, [other[0] + p[0] * along, other[1] + p[1] * along]);
  },
  strokes: ([a, b, c, d]) => [
    { points: a && b ? [a, b] : [] },
    { points: c && d ? [c, d] : [], dashed: true },
  ],
  results: (points, surface) => {
    const [a, b, c, d] = points;
    if (!a || !b || !c || !d) return [];
    const spacing = surface.spacingAt(points);
    if (!measurable(spacing)) return [];
    const unit = lengthUnit(spacing);
    const { source } = spacing;
    const sizes = [physical(a, b, spacing), physical(c, d, spacing)];
    return [
      { quantity: "longAxis", value: Math.max(...sizes), unit, source },
      { quantity: "shortAxis", value: Math.min(...sizes), unit, source },
    ];
  },
};
