// What a measuring tool is: how it is drawn with the pointer, what it looks like, what it says.

import type { Spacing } from "../geometry/spacing";
import type { Vec2 } from "../geometry/vector";
import type { Surface } from "./surface";

export type ToolName =
  | "length"
  | "bidirectional"
  | "angle"
  | "cobb"
  | "rectangle"
  | "ellipse"
  | "freehand"
  | "polygon"
  | "probe"
  | "arrow"
  | "text";

export type Quantity =
  | "length"
  | "longAxis"
  | "shortAxis"
  | "angle"
  | "area"
  | "mean"
  | "deviation"
  | "min"
  | "max"
  | "value";

export interface Result {
  readonly quantity: Quantity;
  readonly value: number;
  readonly unit: string; // "mm", "mm²", "px", "px²", "°", or that of the values
  readonly source?: Spacing["source"]; // for lengths and areas: what the scale rests on
}

/** A line in image coordinates. */
export interface Stroke {
  readonly points: readonly Vec2[];
  readonly closed?: boolean;
  readonly dashed?: boolean;
  readonly arrow?: boolean; // a head at the first point
}

export interface Tool {
  readonly name: ToolName;
  /** points: a click each; drag: press, move, release; trace: the pointer's path; */
  readonly gesture: "points" | "drag" | "trace";
  /** Points that complete it; undefined: ends by a double click or by closing. */
  readonly count?: number;
  readonly text?: boolean; // asks for a text
  /** Moves handle `index`; the tool keeps its own shape (a short axis stays perpendicular). */
  move?(points: readonly Vec2[], index: number, to: Vec2, surface: Surface): readonly Vec2[];
  /** Completes points drawn with the pointer to the points the tool keeps. */
  complete?(points: readonly Vec2[], surface: Surface): readonly Vec2[];
  strokes(points: readonly Vec2[], surface: Surface): readonly Stroke[];
  results(points: readonly Vec2[], surface: Surface): readonly Result[];
}

/** Distance in mm (or pixels), each direction with its own spacing. */
export function physical(a: Vec2, b: Vec2, spacing: Spacing): number {
  return Math.hypot((a[0] - b[0]) * spacing.column, (a[1] - b[1]) * spacing.row);
}

export const lengthUnit = (spacing: Spacing): string => (spacing.source === "none" ? "px" : "mm");
export const areaUnit = (spacing: Spacing): string => (spacing.source === "none" ? "px²" : "mm²");

/** The angle between two directions in degrees, 0 to 180, in physical proportions. */
export function angleBetween(u: Vec2, v: Vec2, spacing: Spacing): number {
  const [ux, uy] = [u[0] * spacing.column, u[1] * spacing.row];
  const [vx, vy] = [v[0] * spacing.column, v[1] * spacing.row];
  return (Math.atan2(Math.abs(ux * vy - uy * vx), ux * vx + uy * vy) * 180) / Math.PI;
}

export function moved(points: readonly Vec2[], index: number, to: Vec2): readonly Vec2[] {
  return points.map((point, i) => (i === index ? to : point));
}
