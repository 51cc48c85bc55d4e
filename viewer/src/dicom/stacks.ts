// What the reader scrolls: a series' frames in anatomical order, split where one stack would lie.

import { dot, type Vec3 } from "../geometry/vector";
import { framesOf, type Frame } from "./image";
import { number, text, type Dataset } from "./json";
import { projectionKey } from "./projection";
import { acquiredAt } from "./suv";
import { Tag } from "./tags";
import { isVideo } from "./video";

export interface Stack {
  readonly id: string;
  readonly study: string;
  readonly series: string;
  readonly modality: string;
  readonly number?: number;
  readonly description: string;
  readonly view: string; // "R CC"; "" where nothing is said, and of what is no projection
  readonly frames: readonly Frame[];
  readonly phases: number; // how many times the same positions repeat; frames come phase by phase
  readonly frameTime?: number; // ms, when the object is a film
}

/** Anything that is opened, but not as pictures. */
export interface Document {
  readonly id: string;
  readonly study: string;
  readonly series: string;
  readonly instance: string;
  readonly sopClass: string;
  readonly modality: string;
  readonly description: string;
  readonly number?: number;
  readonly dataset: Dataset;
}

/** `alone`: overlay objects too are shown as pictures, there being nothing to lay them over. */
export function arrange(instances: readonly Dataset[], alone = false): { stacks: Stack[]; documents: Document[] } {
  const groups = new Map<string, Frame[]>();
  const documents: Document[] = [];
  const acquired = firstAcquired(instances);
  for (const instance of instances) {
    const frames = (isOverlayObject(instance) && !alone) || isVideo(instance) ? [] : framesOf(instance, acquired.get(text(instance, Tag.SeriesInstanceUID)));
    if (frames.length === 0) documents.push(documentOf(instance));
    const key = frames.length > 1 ? frames[0]!.instance : groupKey(frames[0]);
    const group = groups.get(key);
    if (group) group.push(...frames);
    else if (frames.length) groups.set(key, [...frames]);
  }
  const stacks = [...groups].map(([key, frames]) => stackOf(key, frames));
  stacks.sort((a, b) => a.frames[0]!.order - b.frames[0]!.order);
  return { stacks, documents };
}

/** When the first image of each series was taken. */
function firstAcquired(instances: readonly Dataset[]): Map<string | undefined, number> {
  const first = new Map<string | undefined, number>();
  for (const instance of instances) {
    const series = text(instance, Tag.SeriesInstanceUID);
    const at = acquiredAt(instance);
    if (at !== undefined && at < (first.get(series) ?? Infinity)) first.set(series, at);
  }
  return first;
}

const SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4";

/** Segmentations have pixels, but are shown upon the images they segment. */
export const isOverlayObject = (instance: Dataset): boolean =>
  text(instance, Tag.SOPClassUID) === SEGMENTATION;

export function documentOf(instance: Dataset): Document {
  const uid = text(instance, Tag.SOPInstanceUID) ?? "";
  return {
    id: uid,
    study: text(instance, Tag.StudyInstanceUID) ?? "",
    series: text(instance, Tag.SeriesInstanceUID) ?? "",
    instance: uid,
    sopClass: text(instance, Tag.SOPClassUID) ?? "",
    modality: text(instance, Tag.Modality) ?? "",
    description: text(instance, Tag.DocumentTitle) ?? text(instance, Tag.SeriesDescription) ?? "",
    number: number(instance, Tag.SeriesNumber),
    dataset: instance,
  };
}

/** Single frames of one series share a stack when they have one direction and one size; projections, side and view. */
function groupKey(frame: Frame | undefined): string {
  if (!frame) return "";
  const round = (v: Vec3): string => v.map((n) => n.toFixed(1).replace("-0.0", "0.0")).join(",");
  const direction = frame.plane ? round(frame.plane.normal) : "-";
  // A breast is not scrolled into the other one.
  const projection = frame.plane ? "" : `${frame.format.columns}x${frame.format.rows}|${projectionKey(frame.dataset)}`;
  return `${frame.series}|${direction}|${projection}`;
}

function stackOf(key: string, unsorted: readonly Frame[]): Stack {
  const first = unsorted[0]!;
  const { frames, phases } = sorted(unsorted);
  return {
    id: key,
    study: first.study,
    series: first.series,
    modality: text(first.dataset, Tag.Modality) ?? "",
    number: number(first.dataset, Tag.SeriesNumber),
    description: text(first.dataset, Tag.SeriesDescription) ?? "",
    view: projectionKey(first.dataset),
    frames,
    phases,
    frameTime: frameTimeOf(first.dataset, unsorted.length),
  };
}

function frameTimeOf(dataset: Dataset, frames: number): number | undefined {
  if (frames < 2) return undefined;
  const rate = number(dataset, Tag.RecommendedDisplayFrameRate) ?? number(dataset, Tag.CineRate);
  const time = number(dataset, Tag.FrameTime);
  return time && time > 0 ? time : rate && rate > 0 ? 1000 / rate : undefined;
}

/** By position along the normal; equal positions become phases, in the order they were taken. */
export function sorted(frames: readonly Frame[]): { frames: readonly Frame[]; phases: number } {
  const byNumber = [...frames].sort((a, b) => a.order - b.order || a.number - b.number);
  const normal = byNumber[0]?.plane?.normal;
  const same = normal && byNumber.every((f) => f.plane && dot(f.plane.normal, normal) > 0.99);
  if (!same) return { frames: byNumber, phases: 1 };
  const at = (f: Frame): number => dot(f.plane!.origin, normal);
  const positions = new Map<string, Frame[]>();
  for (const frame of byNumber) {
    const key = at(frame).toFixed(2);
    const list = positions.get(key);
    if (list) list.push(frame);
    else positions.set(key, [frame]);
  }
  if (positions.size === 1) return { frames: byNumber, phases: 1 };
  const columns = [...positions.values()].sort((a, b) => at(a[0]!) - at(b[0]!));
  const phases = Math.max(...columns.map((column) => column.length));
  const ordered: Frame[] = [];
  for (let phase = 0; phase < phases; phase++)
    for (const column of columns) if (column[phase]) ordered.push(column[phase]!);
  // The reader expects the first image of the scan first: feet-first or head-first as acquired.
  const ascending = phases > 1 || columns[0]![0]!.order <= columns.at(-1)![0]!.order;
  return { frames: ascending ? ordered : ordered.reverse(), phases: columns.every((c) => c.length === phases) ? phases : 1 };
}
