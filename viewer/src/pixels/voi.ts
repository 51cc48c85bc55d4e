// From modality values to grey levels: PS3.3 §C.11.2.1.2 and §C.11.2.1.3.

import { isPadding, type Frame, type VoiFunction, type Window } from "../dicom/image";
import { isSuv } from "../dicom/suv";
import { lookUp, type Lut } from "./lut";
import type { Pixels } from "./pixels";

/** How grey levels are made: a window with its function, or a table of the image. */
export type Voi =
  | { readonly kind: "window"; readonly center: number; readonly width: number; readonly shape: VoiFunction }
  | { readonly kind: "table"; readonly lut: Lut };

/** The grey level of a modality value, 0 to 1. */
export function grey(voi: Voi, value: number): number {
  if (voi.kind === "table") return lookUp(voi.lut, value) / (2 ** voi.lut.bits - 1);
  const { center, width, shape } = voi;
  switch (shape) {
    case "LINEAR":
      if (width <= 1) return value <= center - 0.5 ? 0 : 1;
      return unit((value - (center - 0.5)) / (width - 1) + 0.5);
    case "LINEAR_EXACT":
      return unit((value - center) / width + 0.5);
    case "SIGMOID":
      return 1 / (1 + Math.exp((-4 * (value - center)) / width));
  }
}

const unit = (v: number): number => Math.min(Math.max(v, 0), 1);

/** What the image itself asks for, or, when it asks for nothing, what its values suggest. */
export function defaultVoi(frame: Frame, pixels: Pixels | undefined): Voi | undefined {
  if (frame.format.samples === 3 || frame.palette) return identityColor();
  const lut = frame.voiLuts[0];
  if (frame.windows.length === 0 && lut) return { kind: "table", lut };
  const window = frame.windows[0];
  if (window) return windowVoi(window, frame.voiFunction);
  const { format, modality } = frame;
  if (format.bitsStored <= 8 && !format.float && !modality.lut && modality.slope === 1 && modality.intercept === 0) {
    const width = 2 ** format.bitsStored;
    return { kind: "window", center: format.signed ? 0 : width / 2, width, shape: "LINEAR" };
  }
  return pixels && autoVoi(frame, pixels);
}

export const identityColor = (): Voi => ({ kind: "window", center: 127.5, width: 255, shape: "LINEAR_EXACT" });

export function windowVoi(window: Window, shape: VoiFunction): Voi {
  // LINEAR forbids widths below 1; images of small numbers have them, and can only mean this.
  const exact = shape === "LINEAR" && window.width < 1;
  return { kind: "window", center: window.center, width: window.width, shape: exact ? "LINEAR_EXACT" : shape };
}

/**
 * What a window's ends mean where nothing is said: LINEAR counts whole values, the ends half a unit and
 * one unit off (PS3.3 §C.11.2.1.2.1), which of values with fractions, SUV above all, is far off.
 */
export const straight = ({ modality, format }: Frame): VoiFunction =>
  format.float || isSuv(modality.unit) || !Number.isInteger(modality.slope) || !Number.isInteger(modality.intercept) ? "LINEAR_EXACT" : "LINEAR";

/** A window around all but the darkest and brightest 0.5 % of the values, padding left out. */
export function autoVoi(frame: Frame, pixels: Pixels): Voi {
  const { slope, intercept } = frame.modality;
  const seen = Float64Array.from(pixels.values as ArrayLike<number>, (v) =>
    isPadding(frame, v) ? NaN : v * slope + intercept,
  )
    .filter(Number.isFinite)
    .sort();
  if (seen.length === 0) return { kind: "window", center: 0.5, width: 2, shape: "LINEAR" };
  const at = (part: number): number => seen[Math.min(Math.max(Math.ceil(part * seen.length) - 1, 0), seen.length - 1)]!;
  const [low, high] = [at(0.005), at(0.995)];
  if (high - low >= 1 && straight(frame) === "LINEAR") return { kind: "window", center: (low + high + 1) / 2, width: high - low + 1, shape: "LINEAR" };
  return { kind: "window", center: (low + high) / 2, width: high - low || 1, shape: "LINEAR_EXACT" };
}

export interface Preset {
  readonly key: string; // of the dictionary, or a text of the image itself
  readonly center: number;
  readonly width: number;
}

const CT_PRESETS: readonly Preset[] = [
  { key: "preset.brain", center: 40, width: 80 },
  { key: "preset.subdural", center: 80, width: 200 },
  { key: "preset.stroke", center: 35, width: 40 },
  { key: "preset.bone", center: 500, width: 2000 },
  { key: "preset.temporal", center: 700, width: 4000 },
  { key: "preset.lung", center: -600, width: 1500 },
  { key: "preset.mediastinum", center: 40, width: 400 },
  { key: "preset.abdomen", center: 50, width: 350 },
  { key: "preset.liver", center: 80, width: 150 },
  { key: "preset.angio", center: 300, width: 600 },
];

const SUV_PRESETS: readonly Preset[] = [
  { key: "SUV 0–5", center: 2.5, width: 5 },
  { key: "SUV 0–7", center: 3.5, width: 7 },
  { key: "SUV 0–10", center: 5, width: 10 },
  { key: "SUV 0–15", center: 7.5, width: 15 },
];

export function presets(modality: string, unit: string): readonly Preset[] {
  if (modality === "CT" && unit === "HU") return CT_PRESETS;
  if (isSuv(unit)) return SUV_PRESETS;
  return [];
}

/** Dragging: to the right widens, downwards lowers the brightness; in proportion to the width. */
export function dragged(voi: Voi, dx: number, dy: number): Voi {
  if (voi.kind === "table") {
    const { first, entries } = voi.lut;
    return dragged({ kind: "window", center: first + entries.length / 2, width: entries.length, shape: "LINEAR" }, dx, dy);
  }
  const step = Math.max(voi.width, voi.shape === "LINEAR" ? 8 : 1e-6) / 250;
  const width = Math.max(voi.width + dx * step, voi.shape === "LINEAR" ? 1 : 1e-6);
  return { ...voi, width, center: voi.center + dy * step };
}
