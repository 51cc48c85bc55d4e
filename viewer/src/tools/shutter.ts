// Display shutters (PS3.3 §C.7.6.11): what of an image is shown, the rest being covered. An image may
// have one, and so may a presentation state. Rectangles, circles and polygons; of several, what lies
// in all of them is shown. Bitmaps (§C.7.6.15) are not read.

import { number, numbers, texts, type Dataset } from "../dicom/json";
import type { Item } from "../dicom/write";
import type { Vec2 } from "../geometry/vector";
import type { Annotation } from "./annotation";
import { boundsOf } from "./statistics";
import { TOOLS } from "./index";
import type { Surface } from "./surface";

export interface Shutter {
  readonly rectangle?: { readonly min: Vec2; readonly max: Vec2 }; // image coordinates
  readonly circle?: { readonly center: Vec2; readonly radius: number };
  readonly polygon?: readonly Vec2[];
  /** Of what is covered, 0 black to 1 white. */
  readonly level: number;
}

/**
 * Edges are columns and rows, counted from 1, that are still shown; centres and corners are pixels,
 * whose middles are meant.
 */
export function shutterOf(dataset: Dataset): Shutter | undefined {
  const shapes = texts(dataset, "00181600");
  const [left, right, top, bottom] = ["00181602", "00181604", "00181606", "00181608"].map((tag) => number(dataset, tag));
  const [row, column] = numbers(dataset, "00181610");
  const radius = number(dataset, "00181612");
  const corners = numbers(dataset, "00181620");
  const all = left !== undefined && right !== undefined && top !== undefined && bottom !== undefined;
  const shutter: Shutter = {
    rectangle: shapes.includes("RECTANGULAR") && all ? { min: [left - 1, top - 1], max: [right, bottom] } : undefined,
    circle: shapes.includes("CIRCULAR") && row !== undefined && column !== undefined && radius ? { center: [column - 0.5, row - 0.5], radius } : undefined,
    polygon:
      shapes.includes("POLYGONAL") && corners.length >= 6
        ? Array.from({ length: corners.length >> 1 }, (_, i): Vec2 => [corners[2 * i + 1]! - 0.5, corners[2 * i]! - 0.5])
        : undefined,
    level: levelOf(dataset),
  };
  return shutter.rectangle || shutter.circle || shutter.polygon ? shutter : undefined;
}

/** Of a grey image by its P-Value, of one in colour by the lightness of its CIELab value. */
function levelOf(dataset: Dataset): number {
  const grey = number(dataset, "00181622");
  const [lightness] = numbers(dataset, "00181624");
  return Math.min((grey ?? lightness ?? 0) / 0xffff, 1);
}

/** `colour`: for a state of images in colour, whose covered part has a CIELab value too (PS3.3 §C.11.12). */
export function shutterItem({ rectangle, circle, polygon, level }: Shutter, colour: boolean): Item {
  const whole = (v: number): number => Math.round(v);
  const value = whole(level * 0xffff);
  return {
    "00181600": ["CS", [rectangle && "RECTANGULAR", circle && "CIRCULAR", polygon && "POLYGONAL"].filter((s) => s !== undefined)],
    ...(rectangle && {
      "00181602": ["IS", whole(rectangle.min[0]) + 1] as const,
      "00181604": ["IS", whole(rectangle.max[0])] as const,
      "00181606": ["IS", whole(rectangle.min[1]) + 1] as const,
      "00181608": ["IS", whole(rectangle.max[1])] as const,
    }),
    ...(circle && {
      "00181610": ["IS", [whole(circle.center[1] + 0.5), whole(circle.center[0] + 0.5)]] as const,
      "00181612": ["IS", Math.max(whole(circle.radius), 1)] as const,
    }),
    ...(polygon && { "00181620": ["IS", polygon.flatMap(([x, y]) => [whole(y + 0.5), whole(x + 0.5)])] as const }),
    "00181622": ["US", value],
    // a* and b* of a grey are in the middle of their range.
    ...(colour && { "00181624": ["US", [value, 0x8080, 0x8080]] as const }),
  };
}

/** The shutter that shows a closed region and nothing else; undefined for what encloses nothing. */
export function shutterAround({ tool, points }: Annotation, surface: Surface): Shutter | undefined {
  const inside = ([x, y]: Vec2): Vec2 => [Math.min(Math.max(x, 0), surface.size[0]), Math.min(Math.max(y, 0), surface.size[1])];
  const { min, max } = boundsOf(points);
  const [width, height] = [max[0] - min[0], max[1] - min[1]];
  if (tool === "rectangle") return { rectangle: { min: inside(min), max: inside(max) }, level: 0 };
  if (tool === "ellipse" && Math.abs(width - height) < 1) return { circle: { center: [(min[0] + max[0]) / 2, (min[1] + max[1]) / 2], radius: (width + height) / 4 }, level: 0 };
  if (tool !== "ellipse" && tool !== "polygon" && tool !== "freehand") return undefined;
  return { polygon: TOOLS[tool].strokes(points, surface)[0]!.points.map(inside), level: 0 };
}
