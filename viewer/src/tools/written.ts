// What every object written here begins with: whose it is, what it is, when and with what it was
// made; and which images it speaks of.

import { da, tm } from "../dicom/dates";
import { grouped } from "../dicom/grouped";
import type { Frame } from "../dicom/image";
import { Tag } from "../dicom/tags";
import { newUid } from "../dicom/uid";
import type { Item } from "../dicom/write";

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
function studyOf(frame: Frame): Item {
  const out: Record<string, Item[string]> = {};
  for (const [tag, vr] of KEPT_OF_STUDY) {
    const value = frame.dataset[tag]?.Value?.[0];
    const written =
      value !== null && typeof value === "object"
        ? ["Alphabetic", "Ideographic", "Phonetic"].map((g) => (value as Record<string, string>)[g] ?? "").join("=").replace(/=+$/, "")
        : String(value ?? "");
    // An issuer that is not known is left out; the others must be there, empty if need be.
    if (written || tag !== Tag.IssuerOfPatientID) out[tag] = [vr, written];
  }
  return out;
}

/** Tells objects of this viewer from those of others. */
export const MANUFACTURER = "dicomweb-server";

export interface Kind {
  readonly sopClass: string;
  readonly modality: string;
  readonly description: string; // of its series
  readonly seriesNumber: number;
}

/** Patient, Study, Series, Equipment and SOP Common of a new object in a series of its own. */
export function head(frame: Frame, { sopClass, modality, description, seriesNumber }: Kind, now: Date): Item {
  return {
    ...studyOf(frame),
    "00080012": ["DA", da(now)],
    "00080013": ["TM", tm(now)],
    "00080016": ["UI", sopClass],
    "00080018": ["UI", newUid()],
    "00080021": ["DA", da(now)],
    "00080031": ["TM", tm(now)],
    "00080060": ["CS", modality],
    "00080070": ["LO", MANUFACTURER],
    "0008103E": ["LO", description],
    "0020000E": ["UI", newUid()],
    "00200011": ["IS", seriesNumber],
    "00200013": ["IS", 1],
  };
}

/** A reference to a frame; its number only where there are several. */
export const reference = (frame: Frame): Item => ({
  "00081150": ["UI", frame.sopClass],
  "00081155": ["UI", frame.instance],
  ...(frame.dataset[Tag.NumberOfFrames] ? { "00081160": ["IS", frame.number] as const } : {}),
});

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

/** At most 16 characters, as DS demands. */
export function decimal(value: number): string {
  for (let digits = 12; digits > 0; digits--) {
    const written = String(Number(value.toPrecision(digits)));
    if (written.length <= 16) return written;
  }
  return "0";
}
