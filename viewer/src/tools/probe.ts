// The value of one pixel.

import type { Tool } from "./tool";

export const probeTool: Tool = {
  name: "probe",
  gesture: "points",
  count: 1,
  strokes: () => [],
  results: ([at], surface) => {
    const value = at && surface.value(at[0], at[1]);
    return typeof value === "number" ? [{ quantity: "value", value, unit: surface.unit }] : [];
  },
};
