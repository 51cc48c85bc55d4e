// Which side and which view a projection image is (PS3.3 §C.8.11.7, §10.20 and §C.7.3.1).

import { item, items, text, texts, type Dataset } from "./json";
import { Tag } from "./tags";

/** Left, right, both, or unpaired: a part of the body that has no side. */
export type Side = "L" | "R" | "B" | "U";

export interface Projection {
  readonly side?: Side;
  /** As readers call it: CC, MLO, AP; "" when it is not stated. */
  readonly view: string;
  /** Whether anything says which side of the picture is which: the side, or Patient Orientation. */
  readonly stated: boolean;
}

const MODALITIES = new Set(["CR", "DX", "MG", "IO", "PX"]);

/** Views of mammography, CID 4014, by their codes of SNOMED CT and, before 2017, of SNOMED RT. */
const VIEWS: Readonly<Record<string, string>> = {
  "399162004": "CC", "R-10242": "CC",
  "399368009": "MLO", "R-10226": "MLO",
  "399260004": "ML", "R-10224": "ML",
  "399352003": "LM", "R-10228": "LM",
  "399099002": "LMO", "R-10230": "LMO",
  "399192008": "XCCL", "R-1024A": "XCCL",
  "399101009": "XCCM", "R-1024B": "XCCM",
  "399196006": "FB", "R-10244": "FB",
  "399188001": "SIO", "R-102D0": "SIO",
  "441555000": "ISO",
};

/** Undefined for images that are no projections of the body. */
export function projectionOf(image: Dataset): Projection | undefined {
  if (!MODALITIES.has(text(image, Tag.Modality) ?? "")) return undefined;
  const side = sideOf(image);
  return { side, view: viewOf(image), stated: side !== undefined || texts(image, Tag.PatientOrientation).some(Boolean) };
}

function sideOf(image: Dataset): Side | undefined {
  const anatomy = item(item(image, Tag.SharedFunctionalGroups) ?? image, Tag.FrameAnatomySequence) ?? {};
  const said = text(image, Tag.ImageLaterality) ?? text(anatomy, Tag.FrameLaterality) ?? text(image, Tag.Laterality);
  return said === "L" || said === "R" || said === "B" || said === "U" ? said : undefined;
}

function viewOf(image: Dataset): string {
  const [code] = items(image, Tag.ViewCodeSequence);
  const known = code && VIEWS[text(code, Tag.CodeValue) ?? ""];
  return text(image, Tag.ViewPosition) ?? known ?? (code && text(code, Tag.CodeMeaning)) ?? "";
}

/** What tells the images of one series apart: "R CC". */
export const projectionKey = (image: Dataset): string => {
  const projection = projectionOf(image);
  return projection ? [projection.side, projection.view].filter(Boolean).join(" ") : "";
};

/**
 * Images of both breasts as they hang: pair by pair the right one, which is seen on the left, and the left one,
 * CC before MLO before other views. Undefined where no view is there of both sides, or something
 * does not say what it is: the order of the series is then all that is known.
 */
export function mammograms<T>(images: readonly T[], datasetOf: (image: T) => Dataset): (T | undefined)[] | undefined {
  const views = new Map<string, { R?: T; L?: T }>();
  const others: T[] = [];
  for (const image of images) {
    const dataset = datasetOf(image);
    const projection = text(dataset, Tag.Modality) === "MG" ? projectionOf(dataset) : undefined;
    const { side, view } = projection ?? {};
    if ((side !== "L" && side !== "R") || !view) {
      if (projection) return undefined;
      others.push(image);
      continue;
    }
    const pair = views.get(view) ?? {};
    views.set(view, pair);
    // A view taken again comes behind.
    if (pair[side]) others.push(image);
    else pair[side] = image;
  }
  const both = ({ R, L }: { R?: T; L?: T }): boolean => R !== undefined && L !== undefined;
  const rank = (view: string): number => ["CC", "MLO", view].indexOf(view);
  const pairs = [...views].sort(([a, one], [b, other]) => Number(both(other)) - Number(both(one)) || rank(a) - rank(b));
  if (!pairs[0] || !both(pairs[0][1])) return undefined;
  return [...pairs.flatMap(([, { R, L }]) => [R, L]), ...others];
}

/**
 * On which side of the picture as it is stored the chest wall is: Patient Orientation's row direction is towards
 * it (P) or away from it (A). PS3.3 §C.8.11.7.1.1.
 */
export function chestWall(image: Dataset): "left" | "right" | undefined {
  const row = texts(image, Tag.PatientOrientation)[0] ?? "";
  return row.startsWith("P") ? "right" : row.startsWith("A") ? "left" : undefined;
}
