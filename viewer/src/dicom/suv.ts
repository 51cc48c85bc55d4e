// Standardised uptake value by body weight, from the vendor-neutral rules of the QIBA pseudo-code:
// activity (Bq/ml) * weight (g) / dose decayed to the scan (Bq). No factor when any part is missing,
// so that a number is never called SUV without being one.

import { momentOf } from "./dates";
import { item, number, text, texts, type Dataset } from "./json";
import { Tag } from "./tags";

export function suvFactor(instance: Dataset): number | undefined {
  if (text(instance, Tag.Modality) !== "PT" || text(instance, Tag.Units) !== "BQML") return undefined;
  const corrected = texts(instance, Tag.CorrectedImage);
  if (!corrected.includes("ATTN") || !corrected.includes("DECY")) return undefined;
  const weight = number(instance, Tag.PatientWeight);
  const radiopharmaceutical = item(instance, Tag.RadiopharmaceuticalInformationSequence);
  if (!weight || !radiopharmaceutical) return undefined;
  const dose = number(radiopharmaceutical, Tag.RadionuclideTotalDose);
  const halfLife = number(radiopharmaceutical, Tag.RadionuclideHalfLife);
  if (!dose || !halfLife) return undefined;
  const correction = text(instance, Tag.DecayCorrection);
  if (correction === "ADMIN") return (weight * 1000) / dose;
  if (correction !== "START") return undefined;
  const elapsed = elapsedSeconds(instance, radiopharmaceutical);
  if (elapsed === undefined || elapsed < 0) return undefined;
  return (weight * 1000) / (dose * Math.pow(2, -elapsed / halfLife));
}

function elapsedSeconds(instance: Dataset, radiopharmaceutical: Dataset): number | undefined {
  const seriesDate = text(instance, Tag.SeriesDate);
  const scan = momentOf(seriesDate, text(instance, Tag.SeriesTime));
  if (scan === undefined) return undefined;
  const full = text(radiopharmaceutical, Tag.RadiopharmaceuticalStartDateTime);
  if (full && full.length >= 14) {
    const start = momentOf(full.slice(0, 8), full.slice(8));
    return start === undefined ? undefined : (scan - start) / 1000;
  }
  const start = momentOf(seriesDate, text(radiopharmaceutical, Tag.RadiopharmaceuticalStartTime));
  if (start === undefined) return undefined;
  const seconds = (scan - start) / 1000;
  return seconds < 0 ? seconds + 86400 : seconds; // injected before midnight
}
