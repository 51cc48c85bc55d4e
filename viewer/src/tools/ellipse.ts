// Points: two opposite corners of the box around it.

import type { Vec2 } from "../geometry/vector";
import { regionResults } from "./region";
import { boundsOf } from "./statistics";
import type { Tool } from "./tool";

const CORNERS = 64;

export const ellipseTool: Tool = {
  name: "ellipse",
  gesture: "drag",
  count: 2,
  strokes: (points) => {
    const { min, max } = boundsOf(points);
    const outline = Array.from({ length: CORNERS }, (_, i): Vec2 => {
      const angle = (2 * Math.PI * i) / CORNERS;
      return [
        (min[0] + max[0]) / 2 + ((max[0] - min[0]) / 2) * Math.cos(angle),
        (min[1] + max[1]) / 2 + ((max[1] - min[1]) / 2) * Math.sin(angle),
      ];
    });
    return [{ points: outline, closed: true }];
  },
  results: (points, surface) => {
    const bounds = boundsOf(points);
    const { min, max } = bounds;
    const [rx, ry] = [(max[0] - min[0]) / 2, (max[1] - min[1]) / 2];
    const [cx, cy] = [min[0] + rx, min[1] + ry];
    const inside = (x: number, y: number): boolean => ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1;
    return regionResults(surface, points, bounds, Math.PI * rx * ry, inside);
  },
};
