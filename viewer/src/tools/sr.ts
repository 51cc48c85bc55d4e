// Measurements as a DICOM structured report: PS3.16 TID 1500, measurement groups by TID 1501 and
// TID 1410 (planar region). On images they lie in image coordinates (SCOORD, Comprehensive SR); on
// cuts through a volume in the frame of reference (SCOORD3D, Comprehensive 3D SR, PS3.3 §A.35.13).

import { da, tm } from "../dicom/dates";
import { IMPLEMENTATION, type Item } from "../dicom/write";
import type { Frame } from "../dicom/image";
import { toPatient, type Plane } from "../geometry/plane";
import type { Vec2, Vec3 } from "../geometry/vector";
import type { Annotation } from "./annotation";
import { graphic } from "./graphic";
import { CUT_PLANE, NO_UNIT, QUANTITIES, TOOL_IDENTIFIERS, TRACKING, UNITS, type Code } from "./srCodes";
import type { Quantity, Result } from "./tool";
import { decimal, evidence, head, MANUFACTURER, reference } from "./written";

export const COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33";
export const COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34";

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

function region(annotation: Annotation, frame: Frame, relation: string, quantity?: Quantity): Item {
  const { type, points } = graphic(annotation, quantity === "shortAxis");
  const { target } = annotation;
  if (target.kind === "cut") return inSpace(relation, isClosed(points) ? "POLYGON" : type, points.map((p) => toPatient(target.plane, p)), frame);
  return {
    "0040A010": ["CS", relation],
    "0040A040": ["CS", "SCOORD"],
    "00700022": ["FL", points.flat()],
    "00700023": ["CS", type],
    "0040A730": ["SQ", [imageReference(frame)]],
  };
}

const isClosed = (points: readonly Vec2[]): boolean => points.length > 3 && points[0] === points.at(-1);

/** Coordinates in the patient: PS3.3 §C.18.9. */
const inSpace = (relation: string, type: string, points: readonly Vec3[], frame: Frame): Item => ({
  "0040A010": ["CS", relation],
  "0040A040": ["CS", "SCOORD3D"],
  "00700022": ["FL", points.flat()],
  "00700023": ["CS", type],
  "30060024": ["UI", frame.frameOfReference ?? ""],
});

/** The cut that was drawn on, by its upper left, upper right and lower left corner. */
const cutPlane = (plane: Plane, frame: Frame): Item => ({
  ...inSpace("CONTAINS", "MULTIPOINT", [[0, 0] as const, [plane.columns, 0] as const, [0, plane.rows] as const].map((p) => toPatient(plane, p)), frame),
  "0040A043": ["SQ", [code(CUT_PLANE)]],
});

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
          [{ "0040A30A": ["DS", decimal(result.value)], "004008EA": ["SQ", [code(UNITS[result.unit] ?? NO_UNIT)]] }],
        ],
        "0040A730": ["SQ", [region(annotation, frame, "INFERRED FROM", result.quantity)]],
      }),
    );
  // What gives no number (an arrow, a text) still has its place.
  if (results.length === 0)
    children.push({
      ...region(annotation, frame, "CONTAINS"),
      "0040A043": ["SQ", [code(["111030", "DCM", "Image Region"])]],
    });
  if (annotation.target.kind === "cut") children.push(cutPlane(annotation.target.plane, frame));
  return content("CONTAINS", "CONTAINER", ["125007", "DCM", "Measurement Group"], {
    "0040A050": ["CS", "SEPARATE"],
    "0040A504": ["SQ", [{ "00080105": ["CS", "DCMR"], "0040DB00": ["CS", "1501"] }]],
    "0040A730": ["SQ", children],
  });
}

export interface Measured {
  readonly annotation: Annotation;
  readonly frame: Frame; // that it is on, or, of a cut, one of the volume
  readonly results: readonly Result[];
}

export const sopClassOf = ({ target }: Annotation): string => (target.kind === "cut" ? COMPREHENSIVE_3D_SR : COMPREHENSIVE_SR);

/**
 * Measurements of one study and one SOP Class as one report, observed by this program: who reads is
 * not known here.
 */
export function measurementReport(measured: readonly Measured[], now: Date): Item {
  const first = measured[0]!.frame;
  const sopClass = sopClassOf(measured[0]!.annotation);
  const groups = measured.map(({ annotation, frame, results }) => group(annotation, frame, results));
  return {
    ...head(first, { sopClass, modality: "SR", description: "Measurements", seriesNumber: 99 }, now),
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
