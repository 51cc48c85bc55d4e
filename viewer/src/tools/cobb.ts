// The angle between two end plates, each drawn as a line; never more than 90 degrees apart.

import { middle2, subtract2 } from "../geometry/vector";
import { angleBetween, type Stroke, type Tool } from "./tool";

export const cobbTool: Tool = {
  name: "cobb",
  gesture: "points",
  count: 4,
  strokes: ([a, b, c, d]) => {
    const strokes: Stroke[] = [{ points: a && b ? [a, b] : [] }];
    if (c && d && a && b)
      strokes.push({ points: [c, d] }, { points: [middle2(a, b), middle2(c, d)], dashed: true });
    return strokes;
  },
  results: (points, surface) => {
    const [a, b, c, d] = points;
    if (!a || !b || !c || !d) return [];
    const value = angleBetween(subtract2(b, a), subtract2(d, c), surface.spacingAt(points));
    return [{ quantity: "angle", value: Math.min(value, 180 - value), unit: "°" }];
  },
};
