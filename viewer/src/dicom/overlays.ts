// What is drawn upon images: segments of Segmentations (PS3.3 §C.8.20), regions of RT Structure
// Sets (PS3.3 §C.8.8.5, §C.8.8.6).

import type { Vec3 } from "../geometry/vector";
import { framesOf, type Frame } from "./image";
import { item, items, number, numbers, text, type Dataset } from "./json";
import { Tag } from "./tags";

export type Rgb = readonly [number, number, number];

export interface Segment {
  readonly kind: "segment";
  readonly id: string;
  readonly label: string;
  readonly color: Rgb;
  readonly frames: readonly { readonly frame: Frame; readonly source?: string }[]; // source: id of the image's frame
}

export interface Contours {
  readonly kind: "contours";
  readonly id: string;
  readonly label: string;
  readonly color: Rgb;
  readonly frameOfReference?: string;
  readonly closed: readonly (readonly Vec3[])[];
}

export type Overlay = Segment | Contours;

const SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4";
const RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3";

const DISTINCT: readonly Rgb[] = [
  [255, 99, 71],
  [60, 180, 255],
  [90, 220, 110],
  [255, 200, 40],
  [200, 110, 255],
  [0, 220, 210],
  [255, 130, 200],
  [180, 220, 60],
];

export function overlaysOf(instance: Dataset): Overlay[] {
  const kind = text(instance, Tag.SOPClassUID);
  if (kind === SEGMENTATION) return segmentsOf(instance);
  if (kind === RT_STRUCTURE_SET) return contoursOf(instance);
  return [];
}

function segmentsOf(instance: Dataset): Segment[] {
  const frames = framesOf(instance);
  const perFrame = items(instance, Tag.PerFrameFunctionalGroups);
  const shared = item(instance, Tag.SharedFunctionalGroups) ?? {};
  return items(instance, "00620002").map((segment, n): Segment => {
    const own = number(segment, "00620004") ?? n + 1;
    return {
      kind: "segment",
      id: `${text(instance, Tag.SOPInstanceUID)}#${own}`,
      label: text(segment, "00620005") ?? `${own}`,
      color: cielab(numbers(segment, "0062000D")) ?? DISTINCT[n % DISTINCT.length]!,
      frames: frames.flatMap((frame, i) => {
        const group = perFrame[i] ?? {};
        const identification = item(group, "0062000A") ?? item(shared, "0062000A");
        if ((identification && number(identification, "0062000B")) !== own) return [];
        return [{ frame, source: sourceOf(group) }];
      }),
    };
  });
}

function sourceOf(group: Dataset): string | undefined {
  const image = item(item(group, "00089124") ?? {}, "00082112");
  const uid = image && text(image, Tag.ReferencedSOPInstanceUID);
  return uid && `${uid}/${text(image, Tag.ReferencedFrameNumber) ?? 1}`;
}

/** Recommended Display CIELab Value (PS3.3 §C.10.7.1.1) to sRGB. */
function cielab(scaled: readonly number[]): Rgb | undefined {
  if (scaled.length < 3 || !scaled.every(Number.isFinite)) return undefined;
  const l = (scaled[0]! / 65535) * 100;
  const a = (scaled[1]! / 65535) * 255 - 128;
  const b = (scaled[2]! / 65535) * 255 - 128;
  const fy = (l + 16) / 116;
  const cube = (f: number): number => (f > 6 / 29 ? f ** 3 : 3 * (6 / 29) ** 2 * (f - 4 / 29));
  const [x, y, z] = [0.9642 * cube(fy + a / 500), cube(fy), 0.8251 * cube(fy - b / 200)]; // D50
  const linear = [
    3.1339 * x - 1.6169 * y - 0.4906 * z,
    -0.9788 * x + 1.9161 * y + 0.0335 * z,
    0.0719 * x - 0.229 * y + 1.4052 * z,
  ];
  return linear.map((v) => {
    const c = Math.min(Math.max(v, 0), 1);
    return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  }) as unknown as Rgb;
}

function contoursOf(instance: Dataset): Contours[] {
  const names = new Map(items(instance, "30060020").map((roi) => [number(roi, "30060022"), roi]));
  return items(instance, "30060039").map((roi, n): Contours => {
    const own = number(roi, "30060084");
    const structure = names.get(own) ?? {};
    const color = numbers(roi, "3006002A");
    return {
      kind: "contours",
      id: `${text(instance, Tag.SOPInstanceUID)}#${own}`,
      label: text(structure, "30060026") ?? `${own}`,
      color: color.length === 3 ? (color as unknown as Rgb) : DISTINCT[n % DISTINCT.length]!,
      frameOfReference: text(structure, "30060024"),
      closed: items(roi, "30060040").flatMap((contour) => {
        const values = numbers(contour, "30060050");
        if (text(contour, "30060042")?.startsWith("OPEN")) return [];
        return [Array.from({ length: Math.floor(values.length / 3) }, (_, i) => values.slice(3 * i, 3 * i + 3) as unknown as Vec3)];
      }),
    };
  });
}
