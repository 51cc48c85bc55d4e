// Overlay planes of an image (PS3.3 §C.9.2): graphics (G) and regions of interest (R), one bit a pixel.

import { number, numbers, text, type Dataset } from "./json";

export interface OverlayPlane {
  readonly group: string; // 6000, 6002 ... 601E
  readonly kind: "G" | "R";
  readonly rows: number;
  readonly columns: number;
  /** Of the image, from 0, where the plane's first pixel lies; may be below 0. */
  readonly origin: readonly [row: number, column: number];
  readonly index: number; // which frame of the plane, from 0
  /** Whether its data can be had: those of retired planes are bits of the samples, which this viewer does not see. */
  readonly there: boolean;
}

const GROUPS = Array.from({ length: 16 }, (_, n) => (0x6000 + 2 * n).toString(16).toUpperCase());

/** `frame`: from 1. */
export function overlayPlanes(image: Dataset, frame: number): OverlayPlane[] {
  return GROUPS.flatMap((group): OverlayPlane[] => {
    const kind = text(image, `${group}0040`);
    const rows = number(image, `${group}0010`);
    const columns = number(image, `${group}0011`);
    if ((kind !== "G" && kind !== "R") || !rows || !columns) return [];
    const frames = number(image, `${group}0015`);
    // Its frames belong to those of the image from Image Frame Origin on; one alone, to all of them.
    const index = frames === undefined ? 0 : frame - (number(image, `${group}0051`) ?? 1);
    if (index < 0 || index >= (frames ?? 1)) return [];
    const [row = 1, column = 1] = numbers(image, `${group}0050`);
    const data = image[overlayData(group)];
    const there = data?.InlineBinary !== undefined || data?.BulkDataURI !== undefined;
    return [{ group, kind, rows, columns, origin: [row - 1, column - 1], index, there }];
  });
}

export const overlayData = (group: string): string => `${group}3000`;

/** 1 where the plane is set, by rows; undefined when the data are shorter than the plane. PS3.5 §8.1.2. */
export function bitsOf(plane: OverlayPlane, packed: Uint8Array): Uint8Array | undefined {
  const pixels = plane.rows * plane.columns;
  const start = plane.index * pixels;
  if (packed.length * 8 < start + pixels) return undefined;
  return Uint8Array.from({ length: pixels }, (_, i) => (packed[(start + i) >> 3]! >> ((start + i) & 7)) & 1);
}
