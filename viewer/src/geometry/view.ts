// How an image is placed on the screen: an affine map between image and screen coordinates.
//
// Image coordinates have (0, 0) at the outer corner of the first pixel. Screen coordinates are
// CSS pixels of the pane, y downwards.

import type { Vec2 } from "./vector";

export interface Placement {
  readonly center: Vec2; // the image point in the middle of the pane
  readonly zoom: number; // screen pixels per image column
  readonly rotation: number; // degrees clockwise
  readonly flipX: boolean;
  readonly flipY: boolean;
}

/** x' = a x + c y + e, y' = b x + d y + f */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** `aspect`: the height of an image pixel over its width. */
export function imageToScreen(p: Placement, aspect: number, pane: Vec2): Affine {
  const radians = (p.rotation * Math.PI) / 180;
  const cos = Math.cos(radians);
  const sin = Math.sin(radians);
  const sx = p.zoom * (p.flipX ? -1 : 1);
  const sy = p.zoom * aspect * (p.flipY ? -1 : 1);
  const a = cos * sx;
  const b = sin * sx;
  const c = -sin * sy;
  const d = cos * sy;
  return [
    a,
    b,
    c,
    d,
    pane[0] / 2 - a * p.center[0] - c * p.center[1],
    pane[1] / 2 - b * p.center[0] - d * p.center[1],
  ];
}

export function invert([a, b, c, d, e, f]: Affine): Affine {
  const det = a * d - b * c;
  return [d / det, -b / det, -c / det, a / det, (c * f - d * e) / det, (b * e - a * f) / det];
}

export const apply = (m: Affine, [x, y]: Vec2): Vec2 => [
  m[0] * x + m[2] * y + m[4],
  m[1] * x + m[3] * y + m[5],
];

/** The image's direction that points to the right of the screen, and the one that points down. */
export function screenDirections(p: Placement): { right: Vec2; down: Vec2 } {
  const m = invert(imageToScreen({ ...p, zoom: 1, center: [0, 0] }, 1, [0, 0]));
  return { right: [m[0], m[1]], down: [m[2], m[3]] };
}

/** The zoom that shows the whole image, rotation respected. */
export function fitZoom(size: Vec2, aspect: number, rotation: number, pane: Vec2): number {
  const radians = (rotation * Math.PI) / 180;
  const cos = Math.abs(Math.cos(radians));
  const sin = Math.abs(Math.sin(radians));
  const width = size[0] * cos + size[1] * aspect * sin;
  const height = size[0] * sin + size[1] * aspect * cos;
  return Math.max(Math.min(pane[0] / width, pane[1] / height), 1e-3);
}
