// A view kept as a Grayscale or, of images in colour, a Color Softcopy Presentation State (PS3.3
// §A.33.1, §A.33.2) and read back: window or VOI LUT and polarity, where grey; shutter, displayed area,
// rotation and mirroring, lines and texts. Overlays and compound graphics that others wrote are not shown.

import { da, tm } from "../dicom/dates";
import { grouped } from "../dicom/grouped";
import { sequenceLut, type Frame } from "../dicom/image";
import { item, items, number, numbers, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import type { Item } from "../dicom/write";
import type { Vec2 } from "../geometry/vector";
import type { Lut } from "../pixels/lut";
import type { Voi } from "../pixels/voi";
import type { Annotation } from "./annotation";
import { graphic, type Graphic } from "./graphic";
import { srgbProfile } from "./icc";
import { shutterItem, shutterOf, type Shutter } from "./shutter";
import { decimal, head, reference } from "./written";

export const GRAYSCALE_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1";
export const COLOR_PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.2";

const LAYER = "MEASUREMENTS";

/** Degrees clockwise after mirroring, as the page's placement has it. */
export interface Turn {
  readonly rotation: number;
  readonly flipX: boolean;
  readonly flipY: boolean;
}

export interface Drawn {
  readonly annotation: Annotation;
  readonly frame: Frame;
  readonly lines: readonly string[]; // what is written beside it
}

export interface View extends Turn {
  readonly label: string;
  /** The frame that is seen first; those with drawings follow. */
  readonly frame: Frame;
  readonly voi: Voi; // where grey
  readonly inverse: boolean; // the least value is white
  readonly shutter?: Shutter;
  /** Image coordinates at the pane's upper left and lower right corner; undefined: the whole image. */
  readonly area?: readonly [Vec2, Vec2];
  readonly drawn: readonly Drawn[];
}

// ---- writing ----

export function presentationState(view: View, now: Date): Item {
  const { frame, drawn } = view;
  const frames = [...new Set([frame, ...drawn.map((d) => d.frame)])];
  const colour = isColour(frame);
  const sopClass = colour ? COLOR_PRESENTATION_STATE : GRAYSCALE_PRESENTATION_STATE;
  const described = head(frame, { sopClass, modality: "PR", description: "Presentation states", seriesNumber: 97 }, now);
  return {
    ...described,
    "00200060": ["CS", ""],
    "00081115": [
      "SQ",
      [...grouped(frames, (f) => f.series)].map(([series, ofSeries]): Item => ({ "0020000E": ["UI", series], "00081140": ["SQ", images(ofSeries)] })),
    ],
    ...(colour ? { "00282000": ["OB", srgbProfile()] as const } : transformations(view)),
    ...(view.shutter && shutterItem(view.shutter, colour)),
    ...turnItem(view),
    "0070005A": ["SQ", [displayedArea(view)]],
    ...(drawn.length > 0 && {
      "00700001": ["SQ", [...grouped(drawn, (d) => d.frame)].map(([on, all]) => graphics(on, all))] as const,
      "00700060": ["SQ", [{ "00700002": ["CS", LAYER], "00700062": ["IS", 1] }]] as const,
    }),
    "00700080": ["CS", "VIEW"],
    "00700081": ["LO", view.label],
    "00700082": ["DA", da(now)],
    "00700083": ["TM", tm(now)],
    "00700084": ["PN", ""],
  };
}

export const isColour = (frame: Frame): boolean => frame.format.samples === 3 || frame.palette !== undefined;

const transformations = ({ frame, voi, inverse }: View): Item => ({
  ...modalityTransformation(frame),
  "00283110": ["SQ", [voiTransformation(voi, frame)]],
  "20500020": ["CS", inverse ? "INVERSE" : "IDENTITY"],
});

/** One item an instance, all its frames in it. */
const images = (frames: readonly Frame[]): Item[] =>
  [...grouped(frames, (f) => f.instance).values()].map((ofInstance) => {
    const first = reference(ofInstance[0]!);
    return first["00081160"] ? { ...first, "00081160": ["IS", ofInstance.map((f) => f.number)] as const } : first;
  });

/** A state takes the place of the image's own transformations, so it repeats them: PS3.4 §N.2.1. */
function modalityTransformation(frame: Frame): Item {
  const { slope, intercept, unit, lut } = frame.modality;
  if (lut) return { "00283000": ["SQ", [{ ...lutItem(lut), "00283004": ["LO", unit || "US"] }]] };
  const suv = frame.modality.suv ?? 1; // in the archive values are what the scanner wrote
  return {
    "00281052": ["DS", decimal(intercept / suv)],
    "00281053": ["DS", decimal(slope / suv)],
    "00281054": ["LO", unit === "HU" ? "HU" : "US"],
  };
}

function voiTransformation(voi: Voi, frame: Frame): Item {
  if (voi.kind === "table") return { "00283010": ["SQ", [lutItem(voi.lut)]] };
  const suv = frame.modality.suv ?? 1;
  return {
    "00281050": ["DS", decimal(voi.center / suv)],
    "00281051": ["DS", decimal(voi.width / suv)],
    ...(voi.shape !== "LINEAR" && { "00281056": ["CS", voi.shape] as const }),
  };
}

function lutItem({ entries, first, bits, explanation }: Lut): Item {
  return {
    "00283002": [first < 0 ? "SS" : "US", [entries.length & 0xffff, first, bits]],
    ...(explanation && { "00283003": ["LO", explanation] as const }),
    "00283006": ["OW", new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength)],
  };
}

/**
 * The standard turns first and then mirrors left to right; the page mirrors first and then turns.
 * Mirroring both ways is half a turn; a turn after mirroring is the opposite one before it.
 */
function turnItem({ rotation, flipX, flipY }: Turn): Item {
  const whole = (degrees: number): number => ((Math.round(degrees) % 360) + 360) % 360;
  const clockwise = rotation + (flipY ? 180 : 0);
  const mirrored = flipX !== flipY;
  return { "00700041": ["CS", mirrored ? "Y" : "N"], "00700042": ["US", whole(mirrored ? -clockwise : clockwise)] };
}

/** Corners are pixels counted from 1, those that lie upper left and lower right once turned. */
function displayedArea({ frame, area, ...turn }: View): Item {
  const { columns, rows } = frame.format;
  const [from, to] = area ?? whole(columns, rows, turn);
  const low = from[0] < to[0];
  const down = from[1] < to[1];
  const first = (v: number, ascending: boolean): number => (ascending ? Math.floor(v + 1e-6) + 1 : Math.ceil(v - 1e-6));
  const spacing = frame.spacing.source === "none" ? undefined : frame.spacing;
  return {
    "00700052": ["SL", [first(from[0], low), first(from[1], down)]],
    "00700053": ["SL", [first(to[0], !low), first(to[1], !down)]],
    "00700100": ["CS", "SCALE TO FIT"],
    ...(spacing ? { "00700101": ["DS", [decimal(spacing.row), decimal(spacing.column)]] as const } : { "00700102": ["IS", aspectRatio(frame.aspect)] as const }),
  };
}

function whole(columns: number, rows: number, { rotation, flipX, flipY }: Turn): readonly [Vec2, Vec2] {
  const quarter = (((Math.round(rotation / 90) % 4) + 4) % 4) as 0 | 1 | 2 | 3;
  // Which corner of the image comes to the upper left: that of a clockwise turn, mirrored before.
  const [right, bottom] = [quarter === 2 || quarter === 3, quarter === 1 || quarter === 2];
  const [x, y] = [right !== flipX, bottom !== flipY];
  return [
    [x ? columns : 0, y ? rows : 0],
    [x ? 0 : columns, y ? 0 : rows],
  ];
}

const aspectRatio = (aspect: number): readonly [number, number] => (Math.abs(aspect - 1) < 1e-6 ? [1, 1] : [Math.round(aspect * 1000), 1000]);

function graphics(frame: Frame, drawn: readonly Drawn[]): Item {
  const texts = drawn.flatMap(({ annotation, lines }) => textItem(frame, annotation, lines));
  const shapes = drawn.flatMap(({ annotation }) => shapesOf(annotation).map((shape) => graphicItem(frame, shape)));
  return {
    "00081140": ["SQ", [reference(frame)]],
    "00700002": ["CS", LAYER],
    ...(texts.length > 0 && { "00700008": ["SQ", texts] as const }),
    ...(shapes.length > 0 && { "00700009": ["SQ", shapes] as const }),
  };
}

function shapesOf(annotation: Annotation): Graphic[] {
  const first = graphic(annotation);
  const [tip, tail] = annotation.points;
  switch (annotation.tool) {
    case "text":
      return [];
    case "bidirectional":
      return [first, graphic(annotation, true)];
    case "cobb":
      return [0, 2].map((at) => ({ type: "POLYLINE", points: annotation.points.slice(at, at + 2) }));
    case "arrow":
      return tip && tail ? [first, { type: "POLYLINE", points: arrowHead(tip, tail) }] : [first];
    default:
      return [first];
  }
}

/** Its wings are a fifth of the shaft. */
function arrowHead(tip: Vec2, tail: Vec2): readonly Vec2[] {
  const angle = Math.atan2(tail[1] - tip[1], tail[0] - tip[0]);
  const size = Math.hypot(tail[0] - tip[0], tail[1] - tip[1]) / 5;
  const wing = (turn: number): Vec2 => [tip[0] + size * Math.cos(angle + turn), tip[1] + size * Math.sin(angle + turn)];
  return [wing(0.45), tip, wing(-0.45)];
}

/** Lines and texts lie within the image: PS3.3 §C.10.5.1.1 allows no other coordinates. */
const within = (frame: Frame, [x, y]: Vec2): Vec2 => [
  Math.min(Math.max(x, 0), frame.format.columns),
  Math.min(Math.max(y, 0), frame.format.rows),
];

const graphicItem = (frame: Frame, { type, points }: Graphic): Item => ({
  "00700005": ["CS", "PIXEL"],
  "00700020": ["US", 2],
  "00700021": ["US", points.length],
  "00700022": ["FL", points.flatMap((p) => within(frame, p))],
  "00700023": ["CS", type],
  ...(type !== "POINT" && { "00700024": ["CS", "N"] as const }),
});

function textItem(frame: Frame, annotation: Annotation, lines: readonly string[]): Item[] {
  if (lines.length === 0) return [];
  const { points } = annotation;
  // The page writes beside an arrow's tail, else beside what lies farthest to the right.
  const at = annotation.tool === "arrow" && points[1] ? points[1] : points.reduce((a, b) => (b[0] > a[0] ? b : a));
  return [
    {
      "00700004": ["CS", "PIXEL"],
      "00700006": ["ST", lines.join("\r\n")],
      "00700014": ["FL", within(frame, at)],
      "00700015": ["CS", "N"],
    },
  ];
}

// ---- reading ----

export interface Shown {
  readonly units: "PIXEL" | "DISPLAY";
  readonly shapes: readonly { readonly type: string; readonly points: readonly Vec2[] }[];
  readonly texts: readonly { readonly at: Vec2; readonly lines: readonly string[] }[];
}

export interface Presentation {
  readonly frames: readonly string[]; // ids
  readonly inverse: boolean;
  readonly shutter?: Shutter;
  readonly turn: Turn;
  /** Image coordinates of opposite corners of what is shown; undefined: all. */
  readonly area?: { readonly min: Vec2; readonly max: Vec2 };
  /** Drawings by the id of their frame or instance; "" for those on every frame. */
  readonly drawings: ReadonlyMap<string, readonly Shown[]>;
}

/** How a stored state shows a frame; values are the archive's, so `frame` tells how to count them. */
export function presentationOf(state: Dataset, frame: Frame): Presentation {
  const area = items(state, "0070005A").find((i) => names(i, frame));
  const [first, last] = area ? [numbers(area, "00700052"), numbers(area, "00700053")] : [[], []];
  return {
    frames: referenced(state),
    inverse: text(state, "20500020") === "INVERSE",
    shutter: shutterOf(state),
    turn: turnOf(state),
    area:
      first.length === 2 && last.length === 2
        ? { min: [Math.min(first[0]!, last[0]!) - 1, Math.min(first[1]!, last[1]!) - 1], max: [Math.max(first[0]!, last[0]!), Math.max(first[1]!, last[1]!)] }
        : undefined,
    drawings: drawingsOf(state),
  };
}

/** Ids of the frames that a state is about, or of instances all of whose frames are meant. */
export function referenced(state: Dataset): string[] {
  return items(state, Tag.ReferencedSeriesSequence).flatMap((series) => items(series, Tag.ReferencedImageSequence).flatMap(framesNamed));
}

function framesNamed(image: Dataset): string[] {
  const uid = text(image, Tag.ReferencedSOPInstanceUID) ?? "";
  const chosen = numbers(image, Tag.ReferencedFrameNumber);
  return chosen.length > 0 ? chosen.map((n) => `${uid}/${n}`) : [uid];
}

/** Whether an item is about a frame: it names its image, or none. */
function names(about: Dataset, frame: Frame): boolean {
  const named = items(about, Tag.ReferencedImageSequence);
  if (named.length === 0) return true;
  return named.some((image) => {
    if (text(image, Tag.ReferencedSOPInstanceUID) !== frame.instance) return false;
    const chosen = numbers(image, Tag.ReferencedFrameNumber);
    return chosen.length === 0 || chosen.includes(frame.number);
  });
}

/**
 * Grey levels of the page's values as a state makes them of its own: PS3.4 §N.2 has its modality
 * transformation instead of the image's, and what it leaves out is the identity. Undefined of colour;
 * "unlike" where the page cannot count the values as the state does.
 */
export function presentedVoi(state: Dataset, frame: Frame): Voi | "unlike" | undefined {
  if (isColour(frame)) return undefined;
  const voi = items(state, Tag.SoftcopyVOILUTSequence).find((i) => names(i, frame));
  const values = pageValues(state, frame);
  if (!values) return "unlike";
  if (!voi) return wholeRange(frame);
  const { scale, offset, signed } = values;
  const same = Math.abs(scale - 1) < 1e-6;
  const [center, width] = [number(voi, Tag.WindowCenter), number(voi, Tag.WindowWidth)];
  if (center !== undefined && width !== undefined && width > 0) {
    const named = text(voi, Tag.VOILUTFunction);
    const shape = named === "SIGMOID" || named === "LINEAR_EXACT" ? named : "LINEAR";
    if (same) return { kind: "window", center: center + offset, width, shape };
    if (shape !== "LINEAR") return { kind: "window", center: center * scale + offset, width: width * scale, shape };
    // LINEAR's half a unit and one unit are of the state's values.
    return { kind: "window", center: (center - 0.5) * scale + offset, width: Math.max(width - 1, 1e-3) * scale, shape: "LINEAR_EXACT" };
  }
  const table = item(voi, Tag.VOILUTSequence);
  const lut = table && sequenceLut(table, signed);
  if (!lut) return wholeRange(frame);
  const shift = Math.round(offset);
  return same && Math.abs(offset - shift) < 1e-6 ? { kind: "table", lut: { ...lut, first: lut.first + shift } } : "unlike";
}

interface Values {
  readonly scale: number;
  readonly offset: number;
  readonly signed: boolean; // the state's values
}

/** What makes the page's values of the state's; undefined where that is no straight line. */
function pageValues(state: Dataset, frame: Frame): Values | undefined {
  const { slope, intercept, lut } = frame.modality;
  const { signed } = frame.format;
  const table = item(state, Tag.ModalityLUTSequence);
  const theirs = table && sequenceLut(table, signed);
  if (theirs || lut) return theirs && lut && alike(theirs, lut) ? { scale: 1, offset: 0, signed: false } : undefined;
  const start = number(state, Tag.RescaleIntercept) ?? 0;
  const scale = slope / (number(state, Tag.RescaleSlope) || 1);
  return scale > 0 ? { scale, offset: intercept - scale * start, signed: signed || start < 0 } : undefined;
}

const alike = (a: Lut, b: Lut): boolean =>
  a.first === b.first && a.entries.length === b.entries.length && a.entries.every((entry, i) => entry === b.entries[i]);

/** From the least value that the pixels can have to the greatest; floats have neither. */
function wholeRange({ format, modality }: Frame): Voi | undefined {
  if (format.float) return undefined;
  const bits = modality.lut?.bits ?? format.bitsStored;
  const least = format.signed && !modality.lut ? -(2 ** (bits - 1)) : 0;
  const width = 2 ** bits - 1;
  return { kind: "window", center: (least + width / 2) * modality.slope + modality.intercept, width: width * Math.abs(modality.slope), shape: "LINEAR_EXACT" };
}

function turnOf(state: Dataset): Turn {
  const rotation = number(state, "00700042") ?? 0;
  const mirrored = text(state, "00700041") === "Y";
  return { rotation: mirrored ? (360 - rotation) % 360 : rotation, flipX: mirrored, flipY: false };
}

const pairs = (values: readonly number[]): Vec2[] => Array.from({ length: values.length >> 1 }, (_, i): Vec2 => [values[2 * i]!, values[2 * i + 1]!]);

function drawingsOf(state: Dataset): Map<string, Shown[]> {
  const out = new Map<string, Shown[]>();
  for (const layer of items(state, "00700001")) {
    const on = items(layer, Tag.ReferencedImageSequence).flatMap(framesNamed);
    for (const units of ["PIXEL", "DISPLAY"] as const) {
      const shown: Shown = {
        units,
        shapes: items(layer, "00700009")
          .filter((g) => (text(g, "00700005") ?? "PIXEL") === units)
          .map((g) => ({ type: text(g, Tag.GraphicType) ?? "", points: pairs(numbers(g, Tag.GraphicData)) })),
        texts: items(layer, "00700008").flatMap((t) => {
          const box = pairs(numbers(t, "00700010"))[0];
          const anchor = pairs(numbers(t, "00700014"))[0];
          const at = box ?? anchor;
          const own = (box ? text(t, "00700003") : text(t, "00700004")) ?? "PIXEL";
          return at && own === units ? [{ at, lines: (text(t, "00700006") ?? "").split(/\r\n|\r|\n/) }] : [];
        }),
      };
      if (shown.shapes.length + shown.texts.length === 0) continue;
      for (const id of on.length > 0 ? on : [""]) out.set(id, [...(out.get(id) ?? []), shown]);
    }
  }
  return out;
}

export const drawingsOn = ({ drawings }: Presentation, frame: Frame): readonly Shown[] =>
  [frame.id, frame.instance, ""].flatMap((key) => drawings.get(key) ?? []);

export const isAbout = (ids: readonly string[], frame: Frame): boolean => ids.includes(frame.id) || ids.includes(frame.instance);

/** A drawing's line, closed curves as many short ones. */
export function outline({ type, points }: Shown["shapes"][number]): readonly Vec2[] {
  const ring = ([x, y]: Vec2, a: Vec2, b: Vec2): Vec2[] =>
    Array.from({ length: 73 }, (_, i): Vec2 => {
      const angle = (2 * Math.PI * i) / 72;
      return [x + a[0] * Math.cos(angle) + b[0] * Math.sin(angle), y + a[1] * Math.cos(angle) + b[1] * Math.sin(angle)];
    });
  const [p, q, r, s] = points;
  if (type === "CIRCLE" && p && q) {
    const radius = Math.hypot(q[0] - p[0], q[1] - p[1]);
    return ring(p, [radius, 0], [0, radius]);
  }
  if (type === "ELLIPSE" && p && q && r && s)
    return ring([(p[0] + q[0]) / 2, (p[1] + q[1]) / 2], [(q[0] - p[0]) / 2, (q[1] - p[1]) / 2], [(s[0] - r[0]) / 2, (s[1] - r[1]) / 2]);
  return points;
}
