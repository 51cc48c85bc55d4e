// Linked panes: what is done in one is done in the others.

import { batch, signal } from "@preact/signals";
import { parallel, toPatient, type Plane } from "../geometry/plane";
import { dot, subtract } from "../geometry/vector";
import type { Frame } from "../dicom/image";
import type { Session } from "./session";
import type { Viewport } from "./viewport";

export class Sync {
  readonly scroll = signal(false);
  readonly window = signal(false);
  readonly view = signal(false); // zoom and pan
  /** Positions along the normal, less the reference pane's, when linking began: for scans of other days. */
  private offsets = new Map<Viewport, number>();

  constructor(private readonly session: Session) {}

  toggleScroll(): void {
    this.scroll.value = !this.scroll.value;
    this.offsets.clear();
    if (!this.scroll.value) return;
    for (const viewport of this.session.viewports.value) {
      const frame = viewport.frame.value;
      if (frame?.plane) this.offsets.set(viewport, position(frame.plane, frame.plane));
    }
  }

  /** After the reader scrolled `from`. */
  scrolled(from: Viewport): void {
    if (!this.scroll.value) return;
    const frame = from.frame.value;
    if (!frame) return;
    batch(() => {
      for (const viewport of this.session.viewports.value)
        if (viewport !== from) this.follow(viewport, from, frame);
    });
  }

  private follow(viewport: Viewport, from: Viewport, frame: Frame): void {
    const stack = viewport.stack.value;
    const current = viewport.frame.value;
    if (!stack || !current) return;
    if (!frame.plane || !current.plane) {
      // Without positions, the same number of images.
      viewport.scrollTo(from.index.value);
      return;
    }
    if (!parallel(frame.plane, current.plane)) return;
    const normal = current.plane;
    let target = position(normal, frame.plane);
    if (frame.frameOfReference === undefined || frame.frameOfReference !== current.frameOfReference) {
      const own = this.offsets.get(viewport);
      const theirs = this.offsets.get(from);
      if (own === undefined || theirs === undefined) return;
      const sign = dot(frame.plane.normal, normal.normal) < 0 ? -1 : 1;
      target += own - sign * theirs;
    }
    viewport.scrollTo(nearestFrame(stack.frames, normal, target));
  }

  /** After the window of `from` was changed. */
  windowed(from: Viewport): void {
    if (!this.window.value) return;
    const unit = from.reference.value?.modality.unit;
    const modality = modalityOf(from);
    batch(() => {
      for (const viewport of this.session.viewports.value)
        if (viewport !== from && modalityOf(viewport) === modality && viewport.reference.value?.modality.unit === unit)
          viewport.chosenVoi.value = from.voi.value;
    });
  }

  /** After zoom or pan of `from`: the same millimetres a screen pixel, the same part of the image. */
  viewed(from: Viewport): void {
    if (!this.view.value) return;
    const size = from.size.value;
    const placement = from.placement.value;
    if (!size || !placement) return;
    const fitted = from.chosen.value.zoom === undefined;
    batch(() => {
      for (const viewport of this.session.viewports.value) {
        const other = viewport.size.value;
        if (viewport === from || !other) continue;
        const scale = columnSpacing(viewport) / columnSpacing(from);
        viewport.chosen.value = {
          ...viewport.chosen.value,
          zoom: fitted ? undefined : placement.zoom * scale,
          center: [(placement.center[0] / size[0]) * other[0], (placement.center[1] / size[1]) * other[1]],
        };
      }
    });
  }
}

const modalityOf = (viewport: Viewport): string | undefined => {
  const source = viewport.source.value;
  return source?.kind === "stack" ? source.stack.modality : source?.kind === "mpr" ? "mpr" : undefined;
};

const columnSpacing = (viewport: Viewport): number =>
  viewport.plane.value?.columnSpacing ?? viewport.frame.value?.spacing.column ?? 1;

/** Along the normal of `axis`, the middle of `plane`. */
function position(axis: Plane, plane: Plane): number {
  return dot(subtract(toPatient(plane, [plane.columns / 2, plane.rows / 2]), [0, 0, 0]), axis.normal);
}

function nearestFrame(frames: readonly Frame[], axis: Plane, target: number): number {
  let best = 0;
  let least = Infinity;
  frames.forEach((frame, i) => {
    if (!frame.plane) return;
    const off = Math.abs(position(axis, frame.plane) - target);
    if (off < least) [best, least] = [i, off];
  });
  return best;
}
