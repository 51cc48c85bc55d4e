// What a display shutter covers of an image, over its pixels and below every line.

import type { JSX } from "preact";
import { apply } from "../geometry/view";
import type { Vec2 } from "../geometry/vector";
import type { Viewport } from "./viewport";

export function Shutters({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const shutter = viewport.shutter.value;
  const frame = viewport.frame.value;
  const toScreen = viewport.toScreen.value;
  if (!shutter || !frame || !toScreen) return null;
  const { columns, rows } = frame.format;
  const path = (points: readonly Vec2[]): string => `M${points.map((p) => apply(toScreen, p).map((v) => v.toFixed(2)).join(" ")).join("L")}Z`;
  // A little beyond the image: its last pixels are covered whole.
  const image = path([[-1, -1], [columns + 1, -1], [columns + 1, rows + 1], [-1, rows + 1]]);
  const { rectangle, circle, polygon, level } = shutter;
  const holes = [
    rectangle && path([rectangle.min, [rectangle.max[0], rectangle.min[1]], rectangle.max, [rectangle.min[0], rectangle.max[1]]]),
    circle && path(ring(circle.center, circle.radius)),
    polygon && path(polygon),
  ];
  const grey = Math.round(level * 255);
  return <>{holes.map((hole, i) => hole && <path key={i} class="shutter" d={image + hole} style={{ fill: `rgb(${grey},${grey},${grey})` }} />)}</>;
}

const ring = ([x, y]: Vec2, radius: number): Vec2[] =>
  Array.from({ length: 180 }, (_, i): Vec2 => [x + radius * Math.cos((i * Math.PI) / 90), y + radius * Math.sin((i * Math.PI) / 90)]);
