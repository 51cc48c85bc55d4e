// From the DICOM JSON of an instance to its frames: geometry, pixel format, grey-scale pipeline.
// Enhanced multi-frame objects (PS3.3 §C.7.6.16) and classic ones come out the same.

import { plane, type Plane } from "../geometry/plane";
import { regionsOf, spacingOf, type Region, type Spacing } from "../geometry/spacing";
import { lutFrom, PADDED, type Lut } from "../pixels/lut";
import { formatOf, type PixelFormat } from "./format";
import { inlineBytes, item, items, number, numbers, text, texts, type Dataset } from "./json";
import { suvFactor, type NoSuv } from "./suv";
import { Tag } from "./tags";

export interface BulkLut {
  readonly descriptor: readonly number[];
  readonly bytes?: Uint8Array;
  readonly uri?: string;
  readonly segmented?: boolean; // the data are segments
}

export interface Palette {
  readonly red: BulkLut;
  readonly green: BulkLut;
  readonly blue: BulkLut;
}

export type VoiFunction = "LINEAR" | "LINEAR_EXACT" | "SIGMOID";

export interface Window {
  readonly center: number;
  readonly width: number;
  readonly explanation?: string;
}

export interface Modality {
  readonly slope: number;
  readonly intercept: number;
  readonly unit: string; // HU, SUV, Bq/ml, "" when not known
  readonly lut?: Lut;
  /** With a table: stored values that it is not for. */
  readonly padding?: readonly [low: number, high: number];
  /** What of slope and intercept makes SUV: without it, values are what the scanner wrote. */
  readonly suv?: number;
  /** Why values in Bq/ml are not SUV. */
  readonly noSuv?: NoSuv;
}

export interface Frame {
  readonly id: string; // SOP Instance UID "/" frame number
  readonly study: string;
  readonly series: string;
  readonly instance: string;
  readonly sopClass: string;
  readonly number: number; // from 1
  readonly dataset: Dataset;
  readonly format: PixelFormat;
  readonly plane?: Plane;
  readonly frameOfReference?: string;
  readonly spacing: Spacing;
  readonly regions: readonly Region[];
  readonly aspect: number; // height of a pixel over its width
  readonly modality: Modality;
  readonly windows: readonly Window[];
  readonly voiFunction: VoiFunction;
  readonly voiLuts: readonly Lut[];
  readonly inverse: boolean; // the smallest value is shown white
  readonly padding?: readonly [low: number, high: number]; // stored values, or PADDED after a Modality LUT
  readonly palette?: Palette;
  readonly lossy?: string; // compression ratio or "" when only the fact is known
  readonly thickness?: number;
  readonly order: number; // instance number, for series without positions
}

const STORED_PIXELS = [Tag.PixelData, Tag.FloatPixelData, Tag.DoubleFloatPixelData];

/** Whether the instance has pixels; servers may leave Pixel Data out of the metadata. */
export function hasPixels(instance: Dataset): boolean {
  if (number(instance, Tag.Rows) === undefined || number(instance, Tag.Columns) === undefined) return false;
  return STORED_PIXELS.some((tag) => instance[tag]) || number(instance, Tag.BitsAllocated) !== undefined;
}

/** `acquired`: when the first image of the series was taken, where known (`acquiredAt`). */
export function framesOf(instance: Dataset, acquired?: number): Frame[] {
  if (!hasPixels(instance)) return [];
  const count = Math.max(number(instance, Tag.NumberOfFrames) ?? 1, 1);
  const shared = item(instance, Tag.SharedFunctionalGroups) ?? {};
  const perFrame = items(instance, Tag.PerFrameFunctionalGroups);
  const format = formatOf(instance);
  const padding = paddingOf(instance, format);
  const common = {
    study: text(instance, Tag.StudyInstanceUID) ?? "",
    series: text(instance, Tag.SeriesInstanceUID) ?? "",
    instance: text(instance, Tag.SOPInstanceUID) ?? "",
    sopClass: text(instance, Tag.SOPClassUID) ?? "",
    dataset: instance,
    format,
    frameOfReference: text(instance, Tag.FrameOfReferenceUID),
    regions: regionsOf(instance),
    palette: paletteOf(instance),
    lossy: lossyOf(instance),
    order: number(instance, Tag.InstanceNumber) ?? 0,
  };
  return Array.from({ length: count }, (_, index) => {
    const group = (sequence: string): Dataset =>
      item(perFrame[index] ?? {}, sequence) ?? item(shared, sequence) ?? instance;
    const measures = group(Tag.PixelMeasuresSequence);
    const spacing = spacingOf(instance, measures);
    const voi = group(Tag.FrameVOILUTSequence);
    const modality = modalityOf(instance, group(Tag.PixelValueTransformationSequence), format.signed, padding, acquired);
    return {
      ...common,
      id: `${common.instance}/${index + 1}`,
      number: index + 1,
      spacing,
      aspect: spacing.row / spacing.column,
      // A multi-frame image without functional groups has one position for all its frames: no plane.
      plane:
        count > 1 && perFrame.length === 0
          ? undefined
          : plane(
              numbers(group(Tag.PlanePositionSequence), Tag.ImagePositionPatient),
              numbers(group(Tag.PlaneOrientationSequence), Tag.ImageOrientationPatient),
              [spacing.row, spacing.column],
              [format.columns, format.rows],
            ),
      modality,
      padding: modality.lut ? modality.padding && [PADDED, PADDED] : padding,
      windows: windowsOf(voi, modality.suv ?? 1),
      voiFunction: voiFunctionOf(voi, modality),
      // Its input is negative where rescaling makes it so (PS3.3 §C.11.2.1.1); no SUV is.
      voiLuts: modality.suv
        ? []
        : items(voi, Tag.VOILUTSequence).flatMap((lut) => sequenceLut(lut, format.signed || modality.intercept < 0) ?? []),
      inverse: format.photometric === "MONOCHROME1",
      thickness: number(measures, Tag.SliceThickness),
    };
  });
}

function modalityOf(instance: Dataset, transformation: Dataset, signed: boolean, padding: Modality["padding"], acquired: number | undefined): Modality {
  const lut = item(instance, Tag.ModalityLUTSequence);
  const table = lut && sequenceLut(lut, signed);
  if (table) return { slope: 1, intercept: 0, unit: lutUnit(text(lut, Tag.ModalityLUTType)), lut: table, padding };
  const slope = number(transformation, Tag.RescaleSlope) ?? 1;
  const intercept = number(transformation, Tag.RescaleIntercept) ?? 0;
  const suv = suvFactor(instance, acquired);
  if (typeof suv === "number") return { slope: slope * suv, intercept: intercept * suv, unit: "SUV", suv };
  return { slope, intercept, unit: unitOf(instance, text(transformation, Tag.RescaleType)), noSuv: suv };
}

const lutUnit = (type: string | undefined): string => (type && type !== "US" ? type : "");

function unitOf(instance: Dataset, rescaleType: string | undefined): string {
  const modality = text(instance, Tag.Modality);
  if (modality === "CT" && (rescaleType === undefined || rescaleType === "HU")) {
    // A localizer or a derived colour map is CT too, but only rescaled values are Hounsfield units.
    return rescaleType === "HU" || instance[Tag.RescaleIntercept] ? "HU" : "";
  }
  if (modality === "PT" || modality === "NM") {
    const units = text(instance, Tag.Units);
    if (units === "BQML") return "Bq/ml";
    const type = text(instance, Tag.SUVType);
    // Grams a millilitre are SUV already, by body weight where nothing else is said.
    if (units === "GML" && (type ?? "BW") in SUV_UNITS) return SUV_UNITS[type ?? "BW"]!;
    if (units === "CM2ML" && type === "BSA") return "SUVbsa";
    return units ?? "";
  }
  return rescaleType && rescaleType !== "US" ? rescaleType : "";
}

/** By what the uptake is divided: SUV Type, PS3.3 §C.8.9.1.1.3. */
const SUV_UNITS: Readonly<Record<string, string>> = { BW: "SUV", LBM: "SUVlbm", LBMJANMA: "SUVlbm", LBMJAMES128: "SUVlbm", IBW: "SUVibw" };

/** `factor`: of the values shown over those the window was written for. */
function windowsOf(voi: Dataset, factor: number): Window[] {
  const centers = numbers(voi, Tag.WindowCenter);
  const widths = numbers(voi, Tag.WindowWidth);
  const explanations = texts(voi, Tag.WindowExplanation);
  return centers.flatMap((center, i) => {
    const width = widths[i];
    if (!Number.isFinite(center) || width === undefined || !(width > 0)) return [];
    return [{ center: center * factor, width: width * factor, explanation: explanations[i] || undefined }];
  });
}

function voiFunctionOf(voi: Dataset, modality: Modality): VoiFunction {
  const name = text(voi, Tag.VOILUTFunction);
  // LINEAR is one unit short of what is written: of Bq/ml next to nothing, of SUV a fifth.
  return name === "SIGMOID" || name === "LINEAR_EXACT" ? name : modality.suv ? "LINEAR_EXACT" : "LINEAR";
}

/** The table of a LUT sequence's item. */
export function sequenceLut(lut: Dataset, signed: boolean): Lut | undefined {
  const data = inlineBytes(lut[Tag.LUTData]) ?? numbers(lut, Tag.LUTData);
  return lutFrom(numbers(lut, Tag.LUTDescriptor), data, signed, text(lut, Tag.LUTExplanation));
}

function paddingOf(instance: Dataset, format: PixelFormat): readonly [number, number] | undefined {
  const value = number(instance, format.float ? Tag.FloatPixelPaddingValue : Tag.PixelPaddingValue);
  if (value === undefined || format.samples !== 1) return undefined;
  const limit = number(instance, Tag.PixelPaddingRangeLimit) ?? value;
  if (format.float) return [value, value];
  // Written as US for signed pixels, or the reverse, often enough: the pixels' sign decides.
  const wrap = (v: number): number => (format.signed ? (v << 16) >> 16 : v < 0 ? v & 0xffff : v);
  const [a, b] = [wrap(value), wrap(limit)];
  return a < b ? [a, b] : [b, a];
}

export const isPadding = ({ padding }: Frame, stored: number): boolean =>
  padding !== undefined && stored >= padding[0] && stored <= padding[1];

function paletteOf(instance: Dataset): Palette | undefined {
  if (text(instance, Tag.PhotometricInterpretation) !== "PALETTE COLOR") return undefined;
  const channel = (descriptor: string, plain: string, segments: string): BulkLut => {
    const segmented = instance[plain] === undefined && instance[segments] !== undefined;
    const entries = segmented ? segments : plain;
    return {
      descriptor: numbers(instance, descriptor),
      bytes: inlineBytes(instance[entries]) ?? bytesOfNumbers(numbers(instance, entries)),
      uri: instance[entries]?.BulkDataURI,
      segmented,
    };
  };
  return {
    red: channel(Tag.RedPaletteDescriptor, Tag.RedPaletteData, "00281221"),
    green: channel(Tag.GreenPaletteDescriptor, Tag.GreenPaletteData, "00281222"),
    blue: channel(Tag.BluePaletteDescriptor, Tag.BluePaletteData, "00281223"),
  };
}

function bytesOfNumbers(entries: readonly number[]): Uint8Array | undefined {
  return entries.length ? new Uint8Array(Uint16Array.from(entries).buffer) : undefined;
}

function lossyOf(instance: Dataset): string | undefined {
  if (text(instance, Tag.LossyImageCompression) !== "01") return undefined;
  return numbers(instance, Tag.LossyImageCompressionRatio)
    .filter(Number.isFinite)
    .map((ratio) => ratio.toFixed(1))
    .join(", ");
}
