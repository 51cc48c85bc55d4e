// A measurement that was drawn: which tool, where, on which picture.

import type { Frame } from "../dicom/image";
import { fromPatient, toPatient, type Plane } from "../geometry/plane";
import { dot, type Vec2 } from "../geometry/vector";
import type { Result, ToolName } from "./tool";

/** On a frame, points are in its image coordinates; on a cut through a volume, in the cut's. */
export type Target =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "cut"; readonly plane: Plane; readonly reference: Frame };

export interface Annotation {
  readonly id: string;
  readonly uid: string; // Tracking Unique Identifier
  readonly tool: ToolName;
  readonly target: Target;
  readonly points: readonly Vec2[];
  readonly text: string;
  /** Where it is stored; undefined: not yet, or changed since. */
  readonly saved?: { readonly study: string; readonly series: string; readonly instance: string };
  /** What it said when it was stored: holds while the pixels it rests on are not here. */
  readonly recorded?: readonly Result[];
}

/** What a pane shows: a frame, or a cut, in a frame of reference. */
export interface Picture {
  readonly frame?: Frame;
  readonly plane?: Plane;
  readonly reference?: Frame; // of a cut: a frame of its volume
}

/** The annotation's points on the picture now shown, or undefined when it is not on it. */
export function pointsOn(annotation: Annotation, { frame, plane, reference }: Picture): readonly Vec2[] | undefined {
  const { target } = annotation;
  if (target.kind === "frame") return frame?.id === target.frame.id ? annotation.points : undefined;
  if (!plane || frame || !reference || !inOneSpace(reference, target.reference)) return undefined;
  if (Math.abs(dot(plane.normal, target.plane.normal)) < 0.9999) return undefined;
  const points = annotation.points.map((point) => fromPatient(plane, toPatient(target.plane, point)));
  return points.every((p) => Math.abs(p.distance) <= plane.columnSpacing / 2 + 1e-6) ? points.map((p) => p.at) : undefined;
}

const inOneSpace = (a: Frame, b: Frame): boolean => a === b || (a.frameOfReference !== undefined && a.frameOfReference === b.frameOfReference);
