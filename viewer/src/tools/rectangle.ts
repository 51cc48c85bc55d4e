// Points: two opposite corners.

import type { Vec2 } from "../geometry/vector";
import { regionResults } from "./region";
import { boundsOf } from "./statistics";
import type { Tool } from "./tool";

export const rectangleCorners = ([a, b]: readonly Vec2[]): Vec2[] =>
  a && b ? [a, [b[0], a[1]], b, [a[0], b[1]]] : [];

export const rectangleTool: Tool = {
  name: "rectangle",
  gesture: "drag",
  count: 2,
  strokes: (points) => [{ points: rectangleCorners(points), closed: true }],
  results: (points, surface) => {
    const bounds = boundsOf(points);
    const { min, max } = bounds;
    const area = (max[0] - min[0]) * (max[1] - min[1]);
    const inside = (x: number, y: number): boolean => x >= min[0] && x < max[0] && y >= min[1] && y < max[1];
    return regionResults(surface, points, bounds, area, inside);
  },
};
