// Numbers of measurements as a reader expects them.

import { isSuv } from "../dicom/suv";
import type { Result } from "../tools/tool";
import { formatNumber, t } from "../i18n";

export function resultText(result: Result): string {
  const name = t(`quantity.${result.quantity}`);
  return `${name} ${valueText(result)}${caveat(result)}`;
}

export function valueText({ value, unit }: Pick<Result, "value" | "unit">): string {
  return `${formatNumber(value, digits(value, unit))}${unit === "°" ? "" : " "}${unit}`.trim();
}

/** A length at the detector is not one in the patient, and says so. */
export const caveat = ({ source }: Result): string =>
  source === "detector" ? ` (${t("spacing.detector")})` : source === "calibrated" ? ` (${t("spacing.calibrated")})` : "";

function digits(value: number, unit: string): number {
  if (isSuv(unit)) return 2;
  if (Math.abs(value) < 1 && value !== 0) return 3;
  return 1;
}
