// Freehand (the pointer's path) and polygon (a click a corner): closed contours alike.

import type { Vec2 } from "../geometry/vector";
import { regionResults } from "./region";
import { boundsOf, insidePolygon, polygonArea } from "./statistics";
import type { Surface } from "./surface";
import type { Result, Tool } from "./tool";

const strokes = (points: readonly Vec2[]): { points: readonly Vec2[]; closed: boolean }[] => [
  { points, closed: points.length > 2 },
];

function results(points: readonly Vec2[], surface: Surface): Result[] {
  if (points.length < 3) return [];
  const inside = (x: number, y: number): boolean => insidePolygon(points, x, y);
  return regionResults(surface, points, boundsOf(points), polygonArea(points), inside);
}

export const freehandTool: Tool = { name: "freehand", gesture: "trace", strokes, results };
export const polygonTool: Tool = { name: "polygon", gesture: "points", strokes, results };
