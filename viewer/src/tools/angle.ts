// The angle at the second of three points.

import { subtract2 } from "../geometry/vector";
import { angleBetween, type Tool } from "./tool";

export const angleTool: Tool = {
  name: "angle",
  gesture: "points",
  count: 3,
  strokes: (points) => [{ points }],
  results: (points, surface) => {
    const [a, b, c] = points;
    if (!a || !b || !c) return [];
    const value = angleBetween(subtract2(a, b), subtract2(c, b), surface.spacingAt(points));
    return [{ quantity: "angle", value, unit: "°" }];
  },
};
