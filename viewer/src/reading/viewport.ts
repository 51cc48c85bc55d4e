// One pane's state: what it shows and how. Everything derived is computed from signals, so drawing,
// overlay and corner texts follow by themselves.

import { computed, signal } from "@preact/signals";
import { isPadding, type Frame } from "../dicom/image";
import type { Document, Stack } from "../dicom/stacks";
import { isSuv } from "../dicom/suv";
import { corners, cut, extent, toVoxel, type Volume } from "../geometry/volume";
import { toPatient, type Plane } from "../geometry/plane";
import { spacingAt, type Spacing } from "../geometry/spacing";
import { add, dot, length, rotateAbout, scale, subtract, type Vec2, type Vec3 } from "../geometry/vector";
import { fitZoom, imageToScreen, invert, type Affine, type Placement } from "../geometry/view";
import type { FrameStore } from "../net/frames";
import type { ColormapName } from "../pixels/colormap";
import { autoVoi, defaultVoi, type Voi } from "../pixels/voi";
import type { Rect } from "../render/stage";
import type { TransferName } from "../render/transfer";
import type { Picture } from "../tools/annotation";
import { shutterOf, type Shutter } from "../tools/shutter";
import type { Surface } from "../tools/surface";
import { MprGroup, type MprView } from "./mpr";

export type Source =
  | { readonly kind: "stack"; readonly stack: Stack }
  | { readonly kind: "mpr"; readonly group: MprGroup; readonly view: MprView }
  | { readonly kind: "volume"; readonly group: MprGroup }
  | { readonly kind: "document"; readonly document: Document };

export type SlabMode = "mean" | "max" | "min";
export interface Slab {
  readonly mode: SlabMode;
  readonly thickness: number; // mm; 0: the plane alone
}

/** Another volume of the same frame of reference, laid over the picture in colour. */
export interface Fusion {
  readonly stack: Stack;
  readonly group: MprGroup;
  readonly colormap: ColormapName;
  readonly opacity: number;
}

/** Of placement, what the reader set; the rest is "fit to the pane". */
interface Chosen {
  readonly center?: Vec2;
  readonly zoom?: number;
  readonly rotation: number;
  readonly flipX: boolean;
  readonly flipY: boolean;
}

const UPRIGHT: Chosen = { rotation: 0, flipX: false, flipY: false };

export class Viewport {
  readonly source = signal<Source | undefined>(undefined);
  readonly index = signal(0);
  readonly chosen = signal<Chosen>(UPRIGHT);
  readonly chosenVoi = signal<Voi | undefined>(undefined);
  /** What a presentation state has for each frame, as long as nothing else is chosen. */
  readonly presentedVoi = signal<((frame: Frame) => Voi | undefined) | undefined>(undefined);
  readonly inverted = signal(false);
  readonly colormap = signal<ColormapName | undefined>(undefined);
  readonly interpolate = signal(true);
  readonly filter = signal(0);
  /** Chosen by the reader or by a state; "none" too is chosen. */
  readonly chosenShutter = signal<Shutter | "none" | undefined>(undefined);
  readonly fusion = signal<Fusion | undefined>(undefined);
  readonly slab = signal<Slab>({ mode: "max", thickness: 0 });
  readonly turn = signal<readonly [yaw: number, pitch: number]>([0, 0]); // of volume rendering, radians
  readonly volumePreset = signal<TransferName>("soft");
  readonly turning = signal(false);
  /** Why it could not be drawn. */
  readonly trouble = signal<string | undefined>(undefined);
  /** The side of the image as it is stored that lies at the side of the pane, where the reader has not moved it. */
  readonly anchor = signal<"left" | "right" | undefined>(undefined);
  readonly rect = signal<Rect>({ x: 0, y: 0, width: 0, height: 0 });
  /** Frames a second while playing, else 0. */
  readonly playing = signal(0);
  readonly cineRate = signal(0); // chosen rate; 0: the object's own
  readonly loop = signal<"loop" | "bounce" | "once">("loop");

  constructor(
    readonly id: number,
    private readonly store: FrameStore,
  ) {}

  readonly stack = computed((): Stack | undefined => {
    const source = this.source.value;
    return source?.kind === "stack" ? source.stack : undefined;
  });

  readonly frame = computed((): Frame | undefined => this.stack.value?.frames[this.index.value]);

  /** The frame the corner texts speak of: the one shown, or the first of the volume. */
  readonly reference = computed((): Frame | undefined => {
    const source = this.source.value;
    if (source?.kind === "mpr" || source?.kind === "volume") return source.group.volume.frames[0];
    return this.frame.value;
  });

  /** What measurements lie on. */
  readonly picture = computed((): Picture => ({ frame: this.frame.value, plane: this.plane.value, reference: this.reference.value }));

  /** Of the frame, or of a preview of it (`reduced`) while it is on its way. */
  readonly pixels = computed(() => {
    const frame = this.frame.value;
    if (!frame) return undefined;
    void this.store.changed(frame.series).value;
    return this.store.shown(frame);
  });

  /** What covers a part of the image: its own shutter unless another one was chosen. */
  readonly shutter = computed((): Shutter | undefined => {
    const chosen = this.chosenShutter.value;
    const frame = this.frame.value;
    if (chosen === "none" || !frame) return undefined;
    return chosen ?? shutterOf(frame.dataset);
  });

  readonly failure = computed(() => {
    const frame = this.frame.value;
    if (!frame) return undefined;
    void this.store.changed(frame.series).value;
    return this.store.failure(frame);
  });

  /** The plane of the picture in the patient. */
  readonly plane = computed((): Plane | undefined => {
    const source = this.source.value;
    if (source?.kind === "stack") return this.frame.value?.plane;
    if (source?.kind === "volume") return facing(source.group.volume, this.eye.value);
    if (source?.kind !== "mpr") return undefined;
    const { right, down } = source.group.directions(source.view);
    return cut(source.group.volume, source.group.center.value, right, down);
  });

  readonly size = computed((): Vec2 | undefined => {
    const source = this.source.value;
    if (source?.kind === "mpr" || source?.kind === "volume") return [this.plane.value!.columns, this.plane.value!.rows];
    const frame = this.frame.value;
    return frame && [frame.format.columns, frame.format.rows];
  });

  readonly aspect = computed(() => this.frame.value?.aspect ?? 1);

  /** A volume's diagonal, which the plane spans, is longer than what it shows from most sides. */
  private readonly fill = computed(() => (this.source.value?.kind === "volume" ? 1.5 : 1));

  readonly placement = computed((): Placement | undefined => {
    const size = this.size.value;
    const { width, height } = this.rect.value;
    if (!size || width === 0) return undefined;
    const chosen = this.chosen.value;
    const zoom = chosen.zoom ?? fitZoom(size, this.aspect.value, chosen.rotation, [width, height]) * this.fill.value;
    const anchor = chosen.rotation === 0 ? this.anchor.value : undefined;
    const across = anchor === "left" ? width / zoom / 2 : anchor === "right" ? size[0] - width / zoom / 2 : size[0] / 2;
    return { ...chosen, center: chosen.center ?? [across, size[1] / 2], zoom };
  });

  readonly toScreen = computed((): Affine | undefined => {
    const placement = this.placement.value;
    const { width, height } = this.rect.value;
    return placement && imageToScreen(placement, this.aspect.value, [width, height]);
  });

  readonly toImage = computed(() => this.toScreen.value && invert(this.toScreen.value));

  /** The window that was asked for, by the reader or a state; undefined: the image's own. */
  readonly askedVoi = computed((): Voi | undefined => {
    const frame = this.frame.value;
    return this.chosenVoi.value ?? (frame && this.presentedVoi.value?.(frame));
  });

  readonly voi = computed((): Voi | undefined => {
    const asked = this.askedVoi.value;
    if (asked) return asked;
    const source = this.source.value;
    if (source?.kind === "mpr" || source?.kind === "volume") return this.stackVoi(source.group.volume.frames);
    const frame = this.frame.value;
    if (!frame || !this.stack.value) return undefined;
    return defaultVoi(frame, undefined) ?? this.stackVoi(this.stack.value.frames);
  });

  readonly fusionVoi = computed((): Voi | undefined => {
    const fusion = this.fusion.value;
    if (!fusion) return undefined;
    const { frames } = fusion.group.volume;
    // The usual window of uptake; other values get what their images ask for.
    if (isSuv(frames[0]!.modality.unit)) return { kind: "window", center: 3.5, width: 7, shape: "LINEAR_EXACT" };
    return this.stackVoi(frames);
  });

  /** A window that holds for all of a stack whose images name none: from its middle image. */
  private stackVoi(frames: readonly Frame[]): Voi | undefined {
    const middle = frames[frames.length >> 1]!;
    const named = defaultVoi(middle, undefined);
    if (named) return named;
    void this.store.changed(middle.series).value;
    const ready = this.store.shown(middle);
    if (ready) return autoVoi(middle, ready);
    const frame = this.frame.value;
    const pixels = this.pixels.value;
    return frame && pixels && autoVoi(frame, pixels);
  }

  readonly surface = computed((): Surface | undefined => {
    const source = this.source.value;
    if (source?.kind === "mpr") return cutSurface(this.store, source.group.volume, this.plane.value!);
    const frame = this.frame.value;
    return frame && frameSurface(this.store, frame);
  });

  show(source: Source | undefined, index?: number): void {
    this.source.value = source;
    this.anchor.value = undefined;
    this.chosen.value = UPRIGHT;
    this.chosenVoi.value = undefined;
    this.presentedVoi.value = undefined;
    this.inverted.value = false;
    this.colormap.value = undefined;
    this.filter.value = 0;
    this.chosenShutter.value = undefined;
    this.fusion.value = undefined;
    this.playing.value = 0;
    this.turn.value = [0, 0];
    this.slab.value = { mode: "max", thickness: 0 };
    const count = source?.kind === "stack" ? source.stack.frames.length : 0;
    this.index.value = Math.min(index ?? 0, Math.max(count - 1, 0));
  }

  /** How many positions scrolling has, and where it is. */
  readonly range = computed((): { at: number; count: number } => {
    const source = this.source.value;
    if (source?.kind === "stack") return { at: this.index.value, count: source.stack.frames.length };
    if (source?.kind !== "mpr") return { at: 0, count: 0 };
    const { volume, center } = source.group;
    const { normal } = this.plane.value!;
    const [low, high] = extent(volume, normal);
    const step = volume.finest;
    return { at: Math.floor((dot(center.value, normal) - low) / step), count: Math.max(Math.round((high - low) / step), 1) };
  });

  scrollTo(position: number): void {
    const { at, count } = this.range.value;
    const to = Math.min(Math.max(position, 0), count - 1);
    const source = this.source.value;
    if (source?.kind === "stack") this.index.value = to;
    else if (source?.kind === "mpr" && to !== at) {
      const { center, volume } = source.group;
      center.value = add(center.value, scale(this.plane.value!.normal, (to - at) * volume.finest));
    }
  }

  scrollBy(steps: number): void {
    this.scrollTo(this.range.value.at + steps);
  }

  zoomTo(zoom: number, around?: Vec2): void {
    const placement = this.placement.value;
    const toImage = this.toImage.value;
    if (!placement || !toImage) return;
    const next = Math.min(Math.max(zoom, 0.02), 60);
    let center = placement.center;
    if (around) {
      const k = placement.zoom / next;
      center = [around[0] + (center[0] - around[0]) * k, around[1] + (center[1] - around[1]) * k];
    }
    this.chosen.value = { ...this.chosen.value, zoom: next, center };
  }

  panBy(dx: number, dy: number): void {
    const placement = this.placement.value;
    const m = this.toImage.value;
    if (!placement || !m) return;
    const center: Vec2 = [placement.center[0] - m[0] * dx - m[2] * dy, placement.center[1] - m[1] * dx - m[3] * dy];
    this.chosen.value = { ...this.chosen.value, zoom: placement.zoom, center };
  }

  fit(): void {
    this.chosen.value = { ...this.chosen.value, center: undefined, zoom: undefined };
  }

  rotate(degrees: number): void {
    const { rotation } = this.chosen.value;
    this.chosen.value = { ...this.chosen.value, rotation: (rotation + degrees + 360) % 360 };
  }

  /** Mirrors as seen on the screen, whatever the rotation. */
  flip(axis: "horizontal" | "vertical"): void {
    const chosen = this.chosen.value;
    const key = axis === "horizontal" ? "flipX" : "flipY";
    this.chosen.value = { ...chosen, [key]: !chosen[key], rotation: (360 - chosen.rotation) % 360 };
  }

  reset(): void {
    this.chosen.value = UPRIGHT;
    this.chosenVoi.value = undefined;
    this.presentedVoi.value = undefined;
    this.inverted.value = false;
    this.colormap.value = undefined;
    this.filter.value = 0;
    this.chosenShutter.value = undefined;
    this.interpolate.value = true;
    this.turn.value = [0, 0];
    const source = this.source.value;
    if (source?.kind === "mpr") source.group.reset();
  }

  /** The eye's direction and up vector of volume rendering. */
  readonly eye = computed((): { right: Vec3; down: Vec3; forward: Vec3 } => {
    const [yaw, pitch] = this.turn.value;
    const axis: Vec3 = [0, 0, 1];
    const right = rotateAbout([1, 0, 0], axis, yaw);
    const forward = rotateAbout(rotateAbout([0, 1, 0], axis, yaw), right, pitch);
    return { right, down: rotateAbout([0, 0, -1], right, pitch), forward };
  });
}

/** The plane through a volume's middle that faces the eye, wide enough for it in any position. */
function facing(volume: Volume, { right, down, forward }: { right: Vec3; down: Vec3; forward: Vec3 }): Plane {
  const all = corners(volume);
  const side = Math.ceil(length(subtract(all[7]!, all[0]!)) / volume.finest);
  const half = (side / 2 - 0.5) * volume.finest;
  return {
    origin: subtract(subtract(volume.center, scale(right, half)), scale(down, half)),
    right,
    down,
    normal: forward,
    columnSpacing: volume.finest,
    rowSpacing: volume.finest,
    columns: side,
    rows: side,
  };
}

export function frameSurface(store: FrameStore, frame: Frame): Surface {
  const { columns, rows } = frame.format;
  const { slope, intercept } = frame.modality;
  return {
    size: [columns, rows],
    plane: frame.plane,
    unit: frame.modality.unit,
    spacingAt: (points) => spacingAt(frame.spacing, frame.regions, points),
    value(x, y) {
      const pixels = store.get(frame);
      if (!pixels) return null;
      if (pixels.samples !== 1) return undefined;
      const [column, row] = [Math.floor(x), Math.floor(y)];
      if (column < 0 || row < 0 || column >= columns || row >= rows) return undefined;
      const stored = pixels.values[row * columns + column]!;
      if (isPadding(frame, stored)) return undefined;
      return stored * slope + intercept;
    },
  };
}

export function cutSurface(store: FrameStore, volume: Volume, plane: Plane): Surface {
  const spacing: Spacing = { row: plane.rowSpacing, column: plane.columnSpacing, source: "patient" };
  return {
    size: [plane.columns, plane.rows],
    plane,
    unit: volume.frames[0]!.modality.unit,
    spacingAt: () => spacing,
    value: (x, y) => voxel(store, volume, toVoxel(volume, toPatient(plane, [x, y]))),
  };
}

/** The modality value at a voxel coordinate, trilinear; undefined where padding is part of it, null while a slice is missing. */
function voxel(store: FrameStore, volume: Volume, [x, y, z]: Vec3): number | null | undefined {
  const [columns, rows, slices] = volume.size;
  if (x < 0 || y < 0 || z < 0 || x >= columns || y >= rows || z >= slices) return undefined;
  const clamp = (v: number, n: number): number => Math.min(Math.max(v, 0), n - 1);
  const [i, j, k] = [Math.floor(x - 0.5), Math.floor(y - 0.5), Math.floor(z - 0.5)];
  const [u, v, w] = [x - 0.5 - i, y - 0.5 - j, z - 0.5 - k];
  let sum = 0;
  for (let n = 0; n < 8; n++) {
    const [a, b, c] = [n & 1, (n >> 1) & 1, n >> 2];
    const weight = (a ? u : 1 - u) * (b ? v : 1 - v) * (c ? w : 1 - w);
    if (weight === 0) continue;
    const frame = volume.frames[clamp(k + c, slices)]!;
    const pixels = store.get(frame);
    if (!pixels) return null;
    const stored = pixels.values[clamp(j + b, rows) * columns + clamp(i + a, columns)]!;
    if (isPadding(frame, stored)) return undefined;
    sum += weight * (stored * frame.modality.slope + frame.modality.intercept);
  }
  return sum;
}
