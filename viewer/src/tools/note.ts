// Texts on the picture: an arrow with a text at its tail, and a text alone.

import type { Tool } from "./tool";

export const arrowTool: Tool = {
  name: "arrow",
  gesture: "drag",
  count: 2,
  text: true,
  strokes: (points) => [{ points, arrow: true }],
  results: () => [],
};

export const textTool: Tool = {
  name: "text",
  gesture: "points",
  count: 1,
  text: true,
  strokes: () => [],
  results: () => [],
};
