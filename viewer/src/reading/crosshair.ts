// The lines in which the other planes of an MPR group cut this one, on the screen of the pane.

import { fromPatient } from "../geometry/plane";
import { apply } from "../geometry/view";
import { add, cross, normalize, scale, type Vec2 } from "../geometry/vector";
import type { MprView } from "./mpr";
import type { Viewport } from "./viewport";

export interface CrosshairLine {
  readonly view: MprView; // the plane it stands for
  readonly from: Vec2;
  readonly to: Vec2;
}

export function crosshairLines(viewport: Viewport, all: readonly Viewport[]): CrosshairLine[] {
  const source = viewport.source.value;
  const plane = viewport.plane.value;
  const toScreen = viewport.toScreen.value;
  if (source?.kind !== "mpr" || !plane || !toScreen) return [];
  const { group } = source;
  const shown = new Set<MprView>();
  for (const other of all) {
    const theirs = other.source.value;
    if (other !== viewport && theirs?.kind === "mpr" && theirs.group === group) shown.add(theirs.view);
  }
  const reach = (plane.columns + plane.rows) * plane.columnSpacing;
  return [...shown].flatMap((view) => {
    if (view === source.view) return [];
    const { right, down } = group.directions(view);
    const direction = normalize(cross(plane.normal, cross(right, down)));
    const end = (s: number): Vec2 =>
      apply(toScreen, fromPatient(plane, add(group.center.value, scale(direction, s))).at);
    return [{ view, from: end(-reach), to: end(reach) }];
  });
}
