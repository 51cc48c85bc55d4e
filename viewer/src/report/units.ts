// Units of measurements, as a report has them (UCUM) and as people read them.

/** UCUM of units as they are shown; the others are alike. */
const UCUM: Readonly<Record<string, string>> = {
  HU: "[hnsf'U]",
  "°": "deg",
  "mm²": "mm2",
  px: "{pixels}",
  "px²": "{pixels}2",
  SUV: "{SUVbw}g/ml",
  SUVlbm: "{SUVlbm}g/ml",
  SUVibw: "{SUVibw}g/ml",
  SUVbsa: "{SUVbsa}cm2/ml",
};

export const ucum = (shown: string): string => UCUM[shown] ?? shown;
export const unitShown = (unit: string): string => Object.keys(UCUM).find((shown) => UCUM[shown] === unit) ?? unit;
