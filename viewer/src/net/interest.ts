// Who wants which frames, how much, and where they are had.

import type { Frame } from "../dicom/image";
import { instancePath, root, seriesPath } from "./address";

/** Why frames are wanted; the lower is served sooner. */
export const Rank = {
  active: 0, // the pane in use
  shown: 1, // another pane
  thumbnail: 2, // a small picture is enough
  ahead: 3, // perhaps looked at later: fetched, not decoded
} as const;
export type Rank = (typeof Rank)[keyof typeof Rank];

/** A stack somebody looks at: its frames are wanted from `index` outwards. */
export interface Interest {
  readonly frames: readonly Frame[];
  index: number;
  rank: Rank;
}

/** What lies between ranks: no stack is as long. */
export const RANKS = 1e6;

/** How far each wanted frame is from where somebody looks, ranks first. */
export function distances(interests: Iterable<Interest>): Map<string, number> {
  const all = new Map<string, number>();
  for (const { frames, index, rank } of interests)
    frames.forEach(({ id }, i) => {
      const distance = rank * RANKS + Math.abs(i - index);
      if (distance < (all.get(id) ?? Infinity)) all.set(id, distance);
    });
  return all;
}

/** Whether a smaller picture of the frame is of use: colours of a palette cannot be averaged. */
export const previewable = ({ format, palette }: Frame): boolean =>
  !palette && format.samples === 1 && !format.float && format.bitsAllocated <= 16 && format.bitsAllocated > 1 && format.rows * format.columns >= 256 * 256;

/** Bytes of its pixels, decoded. */
export const sizeOf = ({ format, palette }: Frame): number =>
  format.rows * format.columns * (format.samples === 3 || palette ? 3 : Math.max(format.bitsAllocated >> 3, 1));

/** Of its instance. */
export const urlOf = ({ study, series, instance }: Frame): string => `${root()}${instancePath(study, series, instance)}`;

/** All pixels of the stack: of its one object when that has them all, else of its series. */
export function streamUrl(frames: readonly Frame[]): string {
  const [first, last] = [frames[0]!, frames.at(-1)!];
  const path = first.instance === last.instance ? instancePath(first.study, first.series, first.instance) : seriesPath(first.study, first.series);
  return `${root()}${path}/pixeldata`;
}

/** The frame nearest to what is looked at that is `wanted`, no farther than `limit`. */
export function nearest(
  { frames, index }: Interest,
  wanted: (frame: Frame) => boolean,
  limit = Infinity,
): { at: number; distance: number } | undefined {
  for (let distance = 0; distance < frames.length && distance <= limit; distance++) {
    const after = index + distance;
    if (after < frames.length && wanted(frames[after]!)) return { at: after, distance };
    const before = index - distance;
    if (before >= 0 && before < frames.length && wanted(frames[before]!)) return { at: before, distance };
  }
  return undefined;
}
