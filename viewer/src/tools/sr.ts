// Measurements as a DICOM structured report and back: PS3.16 TID 1500, measurement groups by
// TID 1501 and TID 1410 (planar region). Tracking identifiers carry the tool's name the way
// Cornerstone writes them, so that OHIF opens them as its own tools.

import { item, items, numbers, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { newUid } from "../dicom/uid";
import { da, tm } from "../dicom/dates";
import { grouped } from "../dicom/grouped";
import type { Item } from "../dicom/write";
import type { Frame } from "../dicom/image";
import type { Vec2 } from "../geometry/vector";
import type { Annotation } from "./annotation";
import { rectangleCorners } from "./rectangle";
import { boundsOf } from "./statistics";
import type { Surface } from "./surface";
import type { Quantity, Result, ToolName } from "./tool";
import { TOOLS } from "./index";

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
  "00081199": [
    "SQ",
    [
      {
        "00081150": ["UI", frame.sopClass],
        "00081155": ["UI", frame.instance],
        ...(frame.dataset[Tag.NumberOfFrames] ? { "00081160": ["IS", frame.number] as const } : {}),
      },
    ],
  ],
});

function graphic(annotation: Annotation, quantity: Quantity | undefined): { type: string; points: readonly Vec2[] } {
  const { points } = annotation;
  switch (annotation.tool) {
    case "probe":
    case "text":
      return { type: "POINT", points: [points[0]!] };
    case "bidirectional":
      return { type: "POLYLINE", points: axis(points, quantity === "shortAxis") };
    case "rectangle": {
      const corners = rectangleCorners(points);
      return { type: "POLYLINE", points: [...corners, corners[0]!] };
    }
    case "ellipse": {
      const { min, max } = boundsOf(points);
      const [cx, cy] = [(min[0] + max[0]) / 2, (min[1] + max[1]) / 2];
      const wide: Vec2[] = [[min[0], cy], [max[0], cy]];
      const tall: Vec2[] = [[cx, min[1]], [cx, max[1]]];
      // The major axis comes first: PS3.3 §C.18.6.1.2.
      return { type: "ELLIPSE", points: max[0] - min[0] >= max[1] - min[1] ? [...wide, ...tall] : [...tall, ...wide] };
    }
    case "freehand":
    case "polygon":
      return { type: "POLYLINE", points: [...points, points[0]!] };
    default:
      return { type: "POLYLINE", points };
  }
}

/** Which two of the four points are the long, or the short, axis. */
function axis(points: readonly Vec2[], short: boolean): readonly Vec2[] {
  const size = ([a, b]: readonly Vec2[]): number => Math.hypot(a![0] - b![0], a![1] - b![1]);
  const [first, second] = [points.slice(0, 2), points.slice(2, 4)];
  return size(first) >= size(second) === !short ? first : second;
}

function scoord(annotation: Annotation, frame: Frame, relation: string, quantity?: Quantity): Item {
  const { type, points } = graphic(annotation, quantity);
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
        "0040A168": ["SQ", [code(["CORNERSTONEFREETEXT", "CST4", annotation.text.slice(0, 64)])]],
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

/** At most 16 characters, as DS demands. */
function decimal(value: number): string {
  for (let digits = 12; digits > 0; digits--) {
    const written = String(Number(value.toPrecision(digits)));
    if (written.length <= 16) return written;
  }
  return "0";
}

const KEPT_OF_STUDY = [
  [Tag.StudyInstanceUID, "UI"],
  [Tag.StudyDate, "DA"],
  [Tag.StudyTime, "TM"],
  [Tag.AccessionNumber, "SH"],
  [Tag.ReferringPhysicianName, "PN"],
  [Tag.StudyDescription, "LO"],
  [Tag.PatientName, "PN"],
  [Tag.PatientID, "LO"],
  [Tag.IssuerOfPatientID, "LO"],
  [Tag.PatientBirthDate, "DA"],
  [Tag.PatientSex, "CS"],
  [Tag.StudyID, "SH"],
] as const;

/** Patient and study of a new object: those of the image it speaks of, names with all their groups. */
export function studyOf(frame: Frame): Item {
  const out: Record<string, Item[string]> = {};
  for (const [tag, vr] of KEPT_OF_STUDY) {
    const value = frame.dataset[tag]?.Value?.[0];
    const written =
      value !== null && typeof value === "object"
        ? ["Alphabetic", "Ideographic", "Phonetic"].map((g) => (value as Record<string, string>)[g] ?? "").join("=").replace(/=+$/, "")
        : String(value ?? "");
    out[tag] = [vr, written];
  }
  return out;
}

/** The Current Requested Procedure Evidence of `frames` (PS3.3 §C.17.2). */
export function evidence(frames: readonly Frame[]): Item[] {
  const studies = grouped(frames, (f) => f.study);
  return [...studies].map(([study, ofStudy]) => ({
    "0020000D": ["UI", study],
    "00081115": [
      "SQ",
      [...grouped(ofStudy, (f) => f.series)].map(([series, ofSeries]): Item => ({
        "0020000E": ["UI", series],
        "00081199": [
          "SQ",
          [...grouped(ofSeries, (f) => f.instance).values()].map(([f]): Item => ({
            "00081150": ["UI", f!.sopClass],
            "00081155": ["UI", f!.instance],
          })),
        ],
      })),
    ],
  }));
}

export interface Measured {
  readonly annotation: Annotation;
  readonly frame: Frame;
  readonly surface: Surface;
}

/** All measurements of one study as one report. `language`: of the codes' meanings that follow. */
export function measurementReport(measured: readonly Measured[], now: Date, observer: string): Item {
  const first = measured[0]!.frame;
  const groups = measured.map(({ annotation, frame, surface }) =>
    group(annotation, frame, TOOLS[annotation.tool].results(annotation.points, surface)),
  );
  return {
    ...studyOf(first),
    "00080016": ["UI", COMPREHENSIVE_SR],
    "00080018": ["UI", newUid()],
    "00080021": ["DA", da(now)],
    "00080031": ["TM", tm(now)],
    "00080023": ["DA", da(now)],
    "00080033": ["TM", tm(now)],
    "00080060": ["CS", "SR"],
    "00080070": ["LO", "dicomweb-server"],
    "0008103E": ["LO", "Measurements"],
    "00081111": ["SQ", []],
    "0020000E": ["UI", newUid()],
    "00200011": ["IS", 99],
    "00200013": ["IS", 1],
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
        content("HAS OBS CONTEXT", "PNAME", ["121008", "DCM", "Person Observer Name"], { "0040A123": ["PN", observer] }),
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
