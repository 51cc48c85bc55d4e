// Key images as a Key Object Selection document: PS3.16 TID 2010.

import { da, tm } from "../dicom/dates";
import { item, items, text, type Dataset } from "../dicom/json";
import type { Frame } from "../dicom/image";
import { Tag } from "../dicom/tags";
import type { Item } from "../dicom/write";
import { evidence, head, reference } from "./written";

export const KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59";

export function keyObjectSelection(frames: readonly Frame[], now: Date): Item {
  return {
    ...head(frames[0]!, { sopClass: KEY_OBJECT_SELECTION, modality: "KO", description: "Key images", seriesNumber: 98 }, now),
    "00080023": ["DA", da(now)],
    "00080033": ["TM", tm(now)],
    "00081111": ["SQ", []],
    "0040A040": ["CS", "CONTAINER"],
    "0040A043": [
      "SQ",
      [{ "00080100": ["SH", "113000"], "00080102": ["SH", "DCM"], "00080104": ["LO", "Of Interest"] }],
    ],
    "0040A050": ["CS", "SEPARATE"],
    "0040A375": ["SQ", evidence(frames)],
    "0040A504": ["SQ", [{ "00080105": ["CS", "DCMR"], "0040DB00": ["CS", "2010"] }]],
    "0040A730": [
      "SQ",
      frames.map((frame): Item => ({
        "0040A010": ["CS", "CONTAINS"],
        "0040A040": ["CS", "IMAGE"],
        "00081199": ["SQ", [reference(frame)]],
      })),
    ],
  };
}

/** Ids of the frames a stored selection names. */
export function selectedFrames(document: Dataset): string[] {
  return items(document, Tag.ContentSequence).flatMap((content) => {
    const image = text(content, Tag.ValueType) === "IMAGE" ? item(content, Tag.ReferencedSOPSequence) : undefined;
    if (!image) return [];
    return [`${text(image, Tag.ReferencedSOPInstanceUID)}/${text(image, Tag.ReferencedFrameNumber) ?? 1}`];
  });
}
