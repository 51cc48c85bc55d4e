// What a tool measures on: a picture with image coordinates, a scale and values.

import type { Plane } from "../geometry/plane";
import type { Spacing } from "../geometry/spacing";
import type { Vec2 } from "../geometry/vector";

export interface Surface {
  readonly size: Vec2;
  readonly plane?: Plane;
  /** Millimetres per pixel around these points, or without a scale the proportions of a pixel. */
  spacingAt(points: readonly Vec2[]): Spacing;
  /**
   * The modality value of the pixel that holds the point; undefined outside, in padding, in colour;
   * null while the pixels it rests on are not here.
   */
  value(x: number, y: number): number | null | undefined;
  readonly unit: string; // of values
}
