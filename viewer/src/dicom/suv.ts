// Standardised uptake value by body weight, from the vendor-neutral rules of the QIBA pseudo-code:
// activity (Bq/ml) * weight (g) / dose decayed to the scan (Bq). No factor when any part is missing
// or in doubt, so that a number is never called SUV without being one.

import { momentOf, secondsOf } from "./dates";
import { inlineBytes, items, number, text, texts, type Dataset } from "./json";
import { Tag } from "./tags";

/** What is missing or in doubt. */
export type NoSuv = "corrections" | "weight" | "dose" | "halfLife" | "decay" | "time";

/** Of tracers that live longer, an hour without a date may be one of another day. */
const LONG_HALF_LIFE_S = 6 * 3600;
/** After so many there is next to nothing to see: a date or a unit is wrong. */
const HALF_LIVES = 10;
/** Less was never injected: a dose in MBq. */
const LEAST_DOSE_BQ = 1e5;
const DAY_MS = 86_400_000;
/** Times are written with and without their fractions. */
const SECOND_MS = 1000;

/**
 * What makes SUV of Bq/ml, or why there is no such factor; undefined where values are not Bq/ml of a
 * PET. `acquired`: when the first image of the series was taken (`acquiredAt`), where more than one is
 * known.
 */
export function suvFactor(instance: Dataset, acquired = acquiredAt(instance)): number | NoSuv | undefined {
  if (text(instance, Tag.Modality) !== "PT" || text(instance, Tag.Units) !== "BQML") return undefined;
  const corrected = texts(instance, Tag.CorrectedImage);
  if (!corrected.includes("ATTN") || !corrected.includes("DECY")) return "corrections";
  const weight = number(instance, Tag.PatientWeight);
  if (!weight || weight < 0) return "weight";
  const injected = items(instance, Tag.RadiopharmaceuticalInformationSequence);
  const [tracer] = injected;
  const dose = tracer && number(tracer, Tag.RadionuclideTotalDose);
  if (injected.length !== 1 || !tracer || !dose || dose < LEAST_DOSE_BQ) return "dose";
  const correction = text(instance, Tag.DecayCorrection);
  if (correction === "ADMIN") return (weight * 1000) / dose;
  if (correction !== "START") return "decay";
  const halfLife = number(tracer, Tag.RadionuclideHalfLife);
  if (!halfLife || halfLife < 0) return "halfLife";
  const scan = scanStart(instance, acquired, halfLife);
  const injection = scan && injectedAt(instance, tracer, scan, halfLife);
  if (scan === undefined || injection === undefined) return "time";
  const elapsed = (scan - injection) / 1000;
  if (elapsed < 0 || elapsed > HALF_LIVES * halfLife) return "time";
  return (weight * 1000) / (dose * Math.pow(2, -elapsed / halfLife));
}

/** Whether a unit is one of uptake, by body weight or something else. */
export const isSuv = (unit: string): boolean => unit.startsWith("SUV");

/** When an image was taken, as `momentOf` counts. */
export const acquiredAt = (instance: Dataset): number | undefined =>
  momentOf(text(instance, Tag.AcquisitionDate), text(instance, Tag.AcquisitionTime));

/** The moment that values are decay corrected to. */
function scanStart(instance: Dataset, acquired: number | undefined, halfLife: number): number | undefined {
  const series = momentOf(text(instance, Tag.SeriesDate), text(instance, Tag.SeriesTime));
  if (series !== undefined && acquired !== undefined && series <= acquired + SECOND_MS) return series;
  // A series made again later has the date and time of that.
  return scanOfGe(instance) ?? scanByDecay(instance, halfLife);
}

/** Of GE: (0009,xx0D) "PET scan_datetime". */
function scanOfGe(instance: Dataset): number | undefined {
  const creator = Object.keys(instance).find((tag) => /^000900[1-F][\dA-F]$/.test(tag) && text(instance, tag) === "GEMS_PETD_01");
  if (!creator) return undefined;
  const tag = `0009${creator.slice(6)}0D`;
  const bytes = inlineBytes(instance[tag]); // where its VR is not known
  return momentOfDt(bytes ? new TextDecoder().decode(bytes) : text(instance, tag));
}

/**
 * From Frame Reference Time, which counts from the scan's start to when the mean rate of the frame was
 * reached: so long after the frame began as decay within it says (PS3.3 §C.8.9.4.1.5).
 */
function scanByDecay(instance: Dataset, halfLife: number): number | undefined {
  const began = acquiredAt(instance);
  const reference = number(instance, Tag.FrameReferenceTime);
  const duration = number(instance, Tag.ActualFrameDuration);
  if (began === undefined || !reference || !duration || reference < 0 || duration < 0) return undefined;
  const rate = Math.LN2 / (halfLife * 1000);
  const decay = rate * duration;
  return began - reference + Math.log(decay / (1 - Math.exp(-decay))) / rate;
}

function injectedAt(instance: Dataset, tracer: Dataset, scan: number, halfLife: number): number | undefined {
  const moment = text(tracer, Tag.RadiopharmaceuticalStartDateTime);
  const time = secondsOf(text(tracer, Tag.RadiopharmaceuticalStartTime));
  if (moment && moment.length >= 14) {
    const zone = /[+-]\d{4}$/.exec(moment)?.[0];
    const at = momentOfDt(moment);
    // In another zone than the series', unless the hour by itself is the same.
    const local = !zone || zone === text(instance, Tag.TimezoneOffsetFromUTC) || Math.floor(time ?? -1) === Math.floor(secondsOf(moment.slice(8))!);
    return local ? at : undefined;
  }
  if (time === undefined || halfLife > LONG_HALF_LIFE_S) return undefined;
  const sameDay = scan - (scan % DAY_MS) + time * 1000;
  return sameDay > scan ? sameDay - DAY_MS : sameDay; // injected before midnight
}

const momentOfDt = (dt: string | undefined): number | undefined => momentOf(dt?.slice(0, 8), dt?.slice(8));
