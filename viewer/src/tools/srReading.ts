// Measurements of reports read back: those on images that are opened, and those in a frame of
// reference of which a volume is opened, on the cut that they were drawn on.

import { item, items, number, numbers, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { newUid } from "../dicom/uid";
import type { Frame } from "../dicom/image";
import { fromPatient, uprightThrough, type Plane } from "../geometry/plane";
import { normalize, subtract, type Vec2, type Vec3 } from "../geometry/vector";
import { cut, type Volume } from "../geometry/volume";
import type { Annotation, Target } from "./annotation";
import { CUT_PLANE, QUANTITIES, TOOL_IDENTIFIERS, UNITS } from "./srCodes";
import { boundsOf } from "./statistics";
import type { Quantity, Result, ToolName } from "./tool";

/** What is opened that a report may speak of. */
export interface Opened {
  readonly frames: ReadonlyMap<string, Frame>; // by their ids
  /** A volume in a frame of reference, of one of those series rather than another. */
  volume(frameOfReference: string, series: readonly string[]): Volume | undefined;
}

const codeOf = (dataset: Dataset | undefined): string | undefined => dataset && text(dataset, Tag.CodeValue);
const nameOf = (dataset: Dataset): string | undefined => codeOf(item(dataset, Tag.ConceptNameCodeSequence));
const typeOf = (dataset: Dataset): string | undefined => text(dataset, Tag.ValueType);

/** The measurements of a report whose images, or volumes, are opened. */
export function annotationsOf(report: Dataset, opened: Opened): Annotation[] {
  const saved = {
    study: text(report, Tag.StudyInstanceUID) ?? "",
    series: text(report, Tag.SeriesInstanceUID) ?? "",
    instance: text(report, Tag.SOPInstanceUID) ?? "",
  };
  const series = items(report, "0040A375")
    .flatMap((study) => items(study, Tag.ReferencedSeriesSequence))
    .map((each) => text(each, Tag.SeriesInstanceUID) ?? "");
  return items(report, Tag.ContentSequence)
    .filter((section) => nameOf(section) === "126010")
    .flatMap((section) => items(section, Tag.ContentSequence))
    .filter((entry) => nameOf(entry) === "125007")
    .flatMap((entry) => {
      const annotation = annotationOf(entry, opened, series);
      return annotation ? [{ ...annotation, saved }] : [];
    });
}

function annotationOf(entry: Dataset, opened: Opened, series: readonly string[]): Annotation | undefined {
  const children = items(entry, Tag.ContentSequence);
  const identifier = text(children.find((c) => nameOf(c) === "112039") ?? {}, Tag.TextValue) ?? "";
  const tool = (Object.keys(TOOL_IDENTIFIERS) as ToolName[]).find((name) => identifier.endsWith(`:${TOOL_IDENTIFIERS[name]}`));
  const regions = children
    .filter((child) => nameOf(child) !== CUT_PLANE[0])
    .flatMap((child) => [child, ...items(child, Tag.ContentSequence)])
    .filter((child) => typeOf(child) === "SCOORD" || typeOf(child) === "SCOORD3D");
  const first = regions[0];
  if (!tool || !first) return undefined;
  const found = typeOf(first) === "SCOORD" ? onFrame(first, opened) : onCut(first, regions, children, opened, series);
  if (!found) return undefined;
  const finding = children.find((c) => nameOf(c) === "121071");
  const uid = text(children.find((c) => nameOf(c) === "112040") ?? {}, "0040A124") ?? newUid();
  return {
    id: uid,
    uid,
    tool,
    target: found.target,
    points: pointsOf(tool, regions.map(found.points)),
    text: finding ? (text(item(finding, Tag.ConceptCodeSequence) ?? {}, Tag.CodeMeaning) ?? "") : "",
    recorded: children.flatMap(resultOf),
  };
}

interface Found {
  readonly target: Target;
  points(region: Dataset): Vec2[];
}

function onFrame(region: Dataset, { frames }: Opened): Found | undefined {
  const image = item(items(region, Tag.ContentSequence).find((c) => typeOf(c) === "IMAGE") ?? {}, Tag.ReferencedSOPSequence);
  const frame = image && frames.get(`${text(image, Tag.ReferencedSOPInstanceUID)}/${text(image, Tag.ReferencedFrameNumber) ?? 1}`);
  return frame && { target: { kind: "frame", frame }, points: (each) => grouped(numbers(each, Tag.GraphicData), 2) as unknown as Vec2[] };
}

function onCut(region: Dataset, regions: readonly Dataset[], children: readonly Dataset[], opened: Opened, series: readonly string[]): Found | undefined {
  const volume = opened.volume(text(region, "30060024") ?? "", series);
  if (!volume) return undefined;
  const kept = children.find((child) => nameOf(child) === CUT_PLANE[0]);
  const plane = planeOf(volume, kept ? inPatient(kept) : [], regions.flatMap(inPatient));
  return { target: { kind: "cut", plane, reference: volume.frames[0]! }, points: (each) => inPatient(each).map((p) => fromPatient(plane, p).at) };
}

const inPatient = (region: Dataset): Vec3[] => grouped(numbers(region, Tag.GraphicData), 3) as unknown as Vec3[];

const grouped = (values: readonly number[], size: number): number[][] =>
  Array.from({ length: Math.floor(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size));

/** The cut that was drawn on; of a report that does not name it, one that has what was drawn in it. */
function planeOf(volume: Volume, [corner, right, down]: readonly Vec3[], drawn: readonly Vec3[]): Plane {
  if (corner && right && down) return cut(volume, drawn[0]!, normalize(subtract(right, corner)), normalize(subtract(down, corner)));
  const directions = uprightThrough(drawn);
  return cut(volume, drawn[0]!, directions.right, directions.down);
}

/** A number of a report, in a unit as the page writes it. */
function resultOf(child: Dataset): Result[] {
  const quantity = (Object.keys(QUANTITIES) as Quantity[]).find((name) => QUANTITIES[name][0] === nameOf(child));
  const measured = item(child, Tag.MeasuredValueSequence);
  const value = measured && number(measured, Tag.NumericValue);
  if (!quantity || value === undefined) return [];
  const units = item(measured!, Tag.MeasurementUnitsCodeSequence);
  const known = Object.keys(UNITS).filter((name) => UNITS[name]![0] === codeOf(units));
  return [{ quantity, value, unit: (quantity === "area" ? known.at(-1) : known[0]) ?? "" }];
}

function pointsOf(tool: ToolName, drawn: readonly Vec2[][]): Vec2[] {
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
