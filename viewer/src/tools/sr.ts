// Measurements as a DICOM structured report and back: PS3.16 TID 1500, measurement groups by
// TID 1501 and TID 1410 (planar region). Tracking identifiers carry the tool's name the way
// Cornerstone writes them, so that OHIF opens them as its own tools.

import { item, items, numbers, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { newUid } from "../dicom/uid";
import { da, tm } from "../dicom/dates";
import { IMPLEMENTATION, type Item } from "../dicom/write";
import type { Frame } from "../dicom/image";
import type { Vec2 } from "../geometry/vector";
import type { Annotation } from "./annotation";
import { graphic } from "./graphic";
import { boundsOf } from "./statistics";
import type { Surface } from "./surface";
import type { Quantity, Result, ToolName } from "./tool";
import { TOOLS } from "./index";
import { decimal, evidence, head, MANUFACTURER, reference } from "./written";

export const COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33";
const TRACKING = "Cornerstone3DTools@^0.1.0:";

const TOOL_IDENTIFIERS: Readonly<Record<ToolName, string>> = {
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

type Code = readonly [value: string, scheme: string, meaning: string];

const QUANTITIES: Readonly<Record<Quantity, Code>> = {
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

function unitCode(unit: string): Code {
  switch (unit) {
    case "mm":
      return ["mm", "UCUM", "millimeter"];
    case "mm²":
      return ["mm2", "UCUM", "square millimeter"];
    case "px":
      return ["{pixels}", "UCUM", "pixels"];
    case "px²":
      return ["{pixels}", "UCUM", "square pixels"];
    case "°":
      return ["deg", "UCUM", "degree"];
    case "HU":
      return ["[hnsf'U]", "UCUM", "Hounsfield unit"];
    case "SUV":
      return ["{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight"];
    case "Bq/ml":
      return ["Bq/ml", "UCUM", "Becquerels/milliliter"];
    default:
      return ["1", "UCUM", "no units"];
  }
}

const code = ([value, scheme, meaning]: Code): Item => ({
  "00080100": ["SH", value],
  "00080102": ["SH", scheme],
  "00080104": ["LO", meaning],
});

const content = (relation: string, type: string, name: Code, more: Item): Item => ({
  "0040A010": ["CS", relation],
  "0040A040": ["CS", type],
  "0040A043": ["SQ", [code(name)]],
  ...more,
});

const coded = (relation: string, name: Code, value: Code): Item =>
  content(relation, "CODE", name, { "0040A168": ["SQ", [code(value)]] });

const imageReference = (frame: Frame): Item => ({
  "0040A010": ["CS", "SELECTED FROM"],
  "0040A040": ["CS", "IMAGE"],
  "00081199": ["SQ", [reference(frame)]],
});

function scoord(annotation: Annotation, frame: Frame, relation: string, quantity?: Quantity): Item {
  const { type, points } = graphic(annotation, quantity === "shortAxis");
  return {
    "0040A010": ["CS", relation],
    "0040A040": ["CS", "SCOORD"],
    "00700022": ["FL", points.flat()],
    "00700023": ["CS", type],
    "0040A730": ["SQ", [imageReference(frame)]],
  };
}

function group(annotation: Annotation, frame: Frame, results: readonly Result[]): Item {
  const children: Item[] = [
    content("HAS OBS CONTEXT", "TEXT", ["112039", "DCM", "Tracking Identifier"], {
      "0040A160": ["UT", `${TRACKING}${TOOL_IDENTIFIERS[annotation.tool]}`],
    }),
    content("HAS OBS CONTEXT", "UIDREF", ["112040", "DCM", "Tracking Unique Identifier"], {
      "0040A124": ["UI", annotation.uid],
    }),
  ];
  if (annotation.text)
    children.push(
      content("CONTAINS", "CODE", ["121071", "DCM", "Finding"], {
        "0040A168": ["SQ", [code(["CS3DTEXT", "99dcmjs", annotation.text.slice(0, 64)])]],
      }),
    );
  for (const result of results)
    children.push(
      content("CONTAINS", "NUM", QUANTITIES[result.quantity], {
        "0040A300": [
          "SQ",
          [{ "0040A30A": ["DS", decimal(result.value)], "004008EA": ["SQ", [code(unitCode(result.unit))]] }],
        ],
        "0040A730": ["SQ", [scoord(annotation, frame, "INFERRED FROM", result.quantity)]],
      }),
    );
  // What gives no number (an arrow, a text) still has its place.
  if (results.length === 0)
    children.push({
      ...scoord(annotation, frame, "CONTAINS"),
      "0040A043": ["SQ", [code(["111030", "DCM", "Image Region"])]],
    });
  return content("CONTAINS", "CONTAINER", ["125007", "DCM", "Measurement Group"], {
    "0040A050": ["CS", "SEPARATE"],
    "0040A504": ["SQ", [{ "00080105": ["CS", "DCMR"], "0040DB00": ["CS", "1501"] }]],
    "0040A730": ["SQ", children],
  });
}

export interface Measured {
  readonly annotation: Annotation;
  readonly frame: Frame;
  readonly surface: Surface;
}

/** All measurements of one study as one report, observed by this program: who reads is not known here. */
export function measurementReport(measured: readonly Measured[], now: Date): Item {
  const first = measured[0]!.frame;
  const groups = measured.map(({ annotation, frame, surface }) =>
    group(annotation, frame, TOOLS[annotation.tool].results(annotation.points, surface)),
  );
  return {
    ...head(first, { sopClass: COMPREHENSIVE_SR, modality: "SR", description: "Measurements", seriesNumber: 99 }, now),
    "00080023": ["DA", da(now)],
    "00080033": ["TM", tm(now)],
    "00081111": ["SQ", []],
    "0040A040": ["CS", "CONTAINER"],
    "0040A043": ["SQ", [code(["126000", "DCM", "Imaging Measurement Report"])]],
    "0040A050": ["CS", "SEPARATE"],
    "0040A372": ["SQ", []],
    "0040A375": ["SQ", evidence(measured.map((m) => m.frame))],
    "0040A491": ["CS", "COMPLETE"],
    "0040A493": ["CS", "UNVERIFIED"],
    "0040A504": ["SQ", [{ "00080105": ["CS", "DCMR"], "0040DB00": ["CS", "1500"] }]],
    "0040A730": [
      "SQ",
      [
        coded("HAS CONCEPT MOD", ["121049", "DCM", "Language of Content Item and Descendants"], ["eng", "RFC5646", "English"]),
        coded("HAS OBS CONTEXT", ["121005", "DCM", "Observer Type"], ["121007", "DCM", "Device"]),
        content("HAS OBS CONTEXT", "UIDREF", ["121012", "DCM", "Device Observer UID"], { "0040A124": ["UI", IMPLEMENTATION] }),
        content("HAS OBS CONTEXT", "TEXT", ["121013", "DCM", "Device Observer Name"], { "0040A160": ["UT", MANUFACTURER] }),
        coded("HAS CONCEPT MOD", ["121058", "DCM", "Procedure reported"], ["363679005", "SCT", "Imaging procedure"]),
        content("CONTAINS", "CONTAINER", ["126010", "DCM", "Imaging Measurements"], {
          "0040A050": ["CS", "SEPARATE"],
          "0040A730": ["SQ", groups],
        }),
      ],
    ],
  };
}

// ---- reading back ----

const codeOf = (dataset: Dataset | undefined): string | undefined => dataset && text(dataset, Tag.CodeValue);
const nameOf = (dataset: Dataset): string | undefined => codeOf(item(dataset, Tag.ConceptNameCodeSequence));

/** The measurements of a report whose images are among `frames`. */
export function annotationsOf(report: Dataset, frames: ReadonlyMap<string, Frame>): Annotation[] {
  const saved = {
    study: text(report, Tag.StudyInstanceUID) ?? "",
    series: text(report, Tag.SeriesInstanceUID) ?? "",
    instance: text(report, Tag.SOPInstanceUID) ?? "",
  };
  return items(report, Tag.ContentSequence)
    .filter((section) => nameOf(section) === "126010")
    .flatMap((section) => items(section, Tag.ContentSequence))
    .filter((entry) => nameOf(entry) === "125007")
    .flatMap((entry) => {
      const annotation = annotationOf(entry, frames);
      return annotation ? [{ ...annotation, saved }] : [];
    });
}

function annotationOf(entry: Dataset, frames: ReadonlyMap<string, Frame>): Annotation | undefined {
  const children = items(entry, Tag.ContentSequence);
  const identifier = text(children.find((c) => nameOf(c) === "112039") ?? {}, Tag.TextValue) ?? "";
  const tool = (Object.keys(TOOL_IDENTIFIERS) as ToolName[]).find((name) => identifier.endsWith(`:${TOOL_IDENTIFIERS[name]}`));
  const regions = children.flatMap((child) =>
    text(child, Tag.ValueType) === "SCOORD"
      ? [child]
      : items(child, Tag.ContentSequence).filter((c) => text(c, Tag.ValueType) === "SCOORD"),
  );
  const first = regions[0];
  if (!tool || !first) return undefined;
  const image = item(items(first, Tag.ContentSequence).find((c) => text(c, Tag.ValueType) === "IMAGE") ?? {}, Tag.ReferencedSOPSequence);
  const frame = image && frames.get(`${text(image, Tag.ReferencedSOPInstanceUID)}/${text(image, Tag.ReferencedFrameNumber) ?? 1}`);
  if (!frame) return undefined;
  const finding = children.find((c) => nameOf(c) === "121071");
  const uid = text(children.find((c) => nameOf(c) === "112040") ?? {}, "0040A124") ?? newUid();
  return {
    id: uid,
    uid,
    tool,
    target: { kind: "frame", frame },
    points: pointsOf(tool, regions),
    text: finding ? (text(item(finding, Tag.ConceptCodeSequence) ?? {}, Tag.CodeMeaning) ?? "") : "",
  };
}

function pointsOf(tool: ToolName, regions: readonly Dataset[]): Vec2[] {
  const drawn = regions.map((region) => {
    const values = numbers(region, Tag.GraphicData);
    return Array.from({ length: values.length >> 1 }, (_, i): Vec2 => [values[2 * i]!, values[2 * i + 1]!]);
  });
  const points = drawn[0] ?? [];
  switch (tool) {
    case "bidirectional":
      return [...points, ...(drawn[1] ?? [])];
    case "rectangle":
      return [points[0]!, points[2]!];
    case "ellipse": {
      const { min, max } = boundsOf(points);
      return [min, max];
    }
    case "freehand":
    case "polygon":
      return points.slice(0, -1);
    default:
      return points;
  }
}
