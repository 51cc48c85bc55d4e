// Millimetres per pixel, and how far they may be trusted. PS3.3 §10.7 (Basic Pixel Spacing
// Calibration) and §C.8.5.5 (US Region Calibration).

import { items, number, numbers, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import type { Vec2 } from "./vector";

export type SpacingSource =
  | "patient" // in the patient: cross-sectional Pixel Spacing, or a US region in cm
  | "calibrated" // projection image, calibrated by a fiducial or a geometry
  | "detector" // at the detector: larger than in the patient by the magnification
  | "none"; // no physical size: pixels

export interface Spacing {
  readonly row: number; // mm between rows; when source is "none", in widths of a pixel
  readonly column: number;
  readonly source: SpacingSource;
}

export interface Region {
  readonly min: Vec2;
  readonly max: Vec2;
  readonly unitX: number; // PS3.3 §C.8.5.5.1.15 code: 3 is cm, 4 seconds, 7 cm/s
  readonly unitY: number;
  readonly deltaX: number; // physical units per pixel, sign kept
  readonly deltaY: number;
}

const positive = (pair: readonly number[]): pair is readonly [number, number] =>
  pair.length >= 2 && pair[0]! > 0 && pair[1]! > 0;

const NONE: Spacing = { row: 1, column: 1, source: "none" };

/** Whether lengths mean anything: in millimetres, or in pixels where these are as high as wide. */
export const measurable = ({ row, column, source }: Spacing): boolean => source !== "none" || row === column;

/** Modalities whose images are shadows: what is nearer to the tube is larger (PS3.3 §10.7.1.1). */
const PROJECTIONS = ["CR", "DX", "MG", "RG", "XA", "RF", "IO", "PX"];

/** Whether a scale may be the detector's; reconstructed slices of these modalities have a place in the patient. */
const isProjection = (instance: Dataset, measures: Dataset): boolean =>
  measures === instance && !instance[Tag.ImageOrientationPatient] && PROJECTIONS.includes(text(instance, Tag.Modality) ?? "");

/**
 * `measures`: the dataset that holds Pixel Spacing (the Pixel Measures item of an enhanced image,
 * else the instance itself).
 */
export function spacingOf(instance: Dataset, measures: Dataset = instance): Spacing {
  const pixel = numbers(measures, Tag.PixelSpacing);
  const imager = numbers(instance, Tag.ImagerPixelSpacing);
  if (positive(pixel)) {
    const [row, column] = pixel;
    const typed = text(instance, Tag.PixelSpacingCalibrationType) !== undefined;
    // By itself on a projection it may be the detector's as well as a calibration.
    if (!positive(imager)) return { row, column, source: !isProjection(instance, measures) ? "patient" : typed ? "calibrated" : "detector" };
    // Equal to the detector's: uncorrected, unless it is said how. Different: calibrated.
    const same = Math.abs(row - imager[0]) < 1e-6 && Math.abs(column - imager[1]) < 1e-6;
    return { row, column, source: typed || !same ? "calibrated" : "detector" };
  }
  if (positive(imager)) {
    const magnification = number(instance, Tag.EstimatedRadiographicMagnificationFactor);
    const m = magnification !== undefined && magnification > 0 ? magnification : undefined;
    const [row, column] = imager;
    if (m !== undefined) return { row: row / m, column: column / m, source: "calibrated" };
    return { row, column, source: "detector" };
  }
  const nominal = numbers(instance, Tag.NominalScannedPixelSpacing);
  if (positive(nominal)) return { row: nominal[0], column: nominal[1], source: "detector" };
  const [vertical, horizontal] = numbers(instance, Tag.PixelAspectRatio);
  return vertical && horizontal && vertical > 0 && horizontal > 0 ? { ...NONE, row: vertical / horizontal } : NONE;
}

export function regionsOf(instance: Dataset): Region[] {
  return items(instance, Tag.SequenceOfUltrasoundRegions).flatMap((region) => {
    const deltaX = number(region, Tag.PhysicalDeltaX);
    const deltaY = number(region, Tag.PhysicalDeltaY);
    if (!deltaX || !deltaY) return [];
    return [
      {
        min: [number(region, Tag.RegionLocationMinX0) ?? 0, number(region, Tag.RegionLocationMinY0) ?? 0],
        // The region's last pixel belongs to it; image coordinates end at its outer edge.
        max: [
          (number(region, Tag.RegionLocationMaxX1) ?? 0) + 1,
          (number(region, Tag.RegionLocationMaxY1) ?? 0) + 1,
        ],
        unitX: number(region, Tag.PhysicalUnitsXDirection) ?? 0,
        unitY: number(region, Tag.PhysicalUnitsYDirection) ?? 0,
        deltaX,
        deltaY,
      },
    ];
  });
}

const CENTIMETRES = 3;

/** The spacing that holds for all of `points`: that of the one cm region around them, if any. */
export function spacingAt(spacing: Spacing, regions: readonly Region[], points: readonly Vec2[]): Spacing {
  const inside = regions.filter((region) =>
    points.every(
      ([x, y]) => x >= region.min[0] && x <= region.max[0] && y >= region.min[1] && y <= region.max[1],
    ),
  );
  const spatial = inside.filter((r) => r.unitX === CENTIMETRES && r.unitY === CENTIMETRES);
  if (inside.length > spatial.length) return NONE; // a spectrum or M-mode: its axes are not both lengths
  const smallest = spatial.sort((a, b) => area(a) - area(b))[0];
  if (smallest)
    return {
      row: Math.abs(smallest.deltaY) * 10,
      column: Math.abs(smallest.deltaX) * 10,
      source: "patient",
    };
  if (regions.length > 0 && !["patient", "none"].includes(spacing.source)) return NONE;
  return spacing;
}

const area = (r: Region): number => (r.max[0] - r.min[0]) * (r.max[1] - r.min[1]);
