// Codes of measurement reports: CID 218 quantities, UCUM units, and the tools' names the way
// Cornerstone writes them, so that OHIF opens measurements as its own tools'.

import type { Quantity, ToolName } from "./tool";

export const TRACKING = "Cornerstone3DTools@^0.1.0:";

export const TOOL_IDENTIFIERS: Readonly<Record<ToolName, string>> = {
  length: "Length",
  bidirectional: "Bidirectional",
  angle: "Angle",
  cobb: "CobbAngle",
  rectangle: "RectangleROI",
  ellipse: "EllipticalROI",
  freehand: "PlanarFreehandROI",
  polygon: "SplineROI",
  probe: "Probe",
  arrow: "ArrowAnnotate",
  text: "Label",
};

export type Code = readonly [value: string, scheme: string, meaning: string];

export const QUANTITIES: Readonly<Record<Quantity, Code>> = {
  length: ["410668003", "SCT", "Length"],
  longAxis: ["103339001", "SCT", "Long Axis"],
  shortAxis: ["103340004", "SCT", "Short Axis"],
  angle: ["1483009", "SCT", "Angle"],
  area: ["42798000", "SCT", "Area"],
  mean: ["373098007", "SCT", "Mean"],
  deviation: ["386136009", "SCT", "Standard Deviation"],
  min: ["255605001", "SCT", "Minimum"],
  max: ["56851009", "SCT", "Maximum"],
  value: ["108359", "DCM", "Pixel Value"],
};

/** Units as the page writes them; what is none of these has no unit that UCUM knows. */
export const UNITS: Readonly<Record<string, Code>> = {
  mm: ["mm", "UCUM", "millimeter"],
  "mm²": ["mm2", "UCUM", "square millimeter"],
  px: ["{pixels}", "UCUM", "pixels"],
  "px²": ["{pixels}", "UCUM", "square pixels"],
  "°": ["deg", "UCUM", "degree"],
  HU: ["[hnsf'U]", "UCUM", "Hounsfield unit"],
  SUV: ["{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight"],
  SUVlbm: ["{SUVlbm}g/ml", "UCUM", "Standardized Uptake Value lean body mass"],
  SUVibw: ["{SUVibw}g/ml", "UCUM", "Standardized Uptake Value ideal body weight"],
  SUVbsa: ["{SUVbsa}cm2/ml", "UCUM", "Standardized Uptake Value body surface area"],
  "Bq/ml": ["Bq/ml", "UCUM", "Becquerels/milliliter"],
};

export const NO_UNIT: Code = ["1", "UCUM", "no units"];

/** Of the plane a measurement was drawn on: PS3.16 has no code for three points that span one. */
export const CUT_PLANE: Code = ["CUT-PLANE", "99DCMWEB", "Plane of the cut"];
