import { measurable } from "../geometry/spacing";
import { lengthUnit, physical, type Tool } from "./tool";

export const lengthTool: Tool = {
  name: "length",
  gesture: "drag",
  count: 2,
  strokes: (points) => [{ points }],
  results: ([a, b], surface) => {
    if (!a || !b) return [];
    const spacing = surface.spacingAt([a, b]);
    if (!measurable(spacing)) return [];
    return [{ quantity: "length", value: physical(a, b, spacing), unit: lengthUnit(spacing), source: spacing.source }];
  },
};
