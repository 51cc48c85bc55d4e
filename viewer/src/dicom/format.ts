// How the samples of an instance's pixels are laid out (PS3.3 §C.7.6.3).

import { number, text, type Dataset } from "./json";
import { Tag } from "./tags";

export interface PixelFormat {
  readonly rows: number;
  readonly columns: number;
  readonly samples: number;
  readonly photometric: string;
  readonly planar: boolean;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly signed: boolean;
  readonly float: boolean;
}

export function formatOf(instance: Dataset): PixelFormat {
  const bitsAllocated = number(instance, Tag.BitsAllocated) ?? 16;
  const bitsStored = number(instance, Tag.BitsStored) ?? bitsAllocated;
  return {
    rows: number(instance, Tag.Rows) ?? 0,
    columns: number(instance, Tag.Columns) ?? 0,
    samples: number(instance, Tag.SamplesPerPixel) ?? 1,
    photometric: text(instance, Tag.PhotometricInterpretation) ?? "MONOCHROME2",
    planar: number(instance, Tag.PlanarConfiguration) === 1,
    bitsAllocated,
    bitsStored,
    highBit: number(instance, Tag.HighBit) ?? bitsStored - 1,
    signed: number(instance, Tag.PixelRepresentation) === 1,
    float: instance[Tag.FloatPixelData] !== undefined || instance[Tag.DoubleFloatPixelData] !== undefined,
  };
}
