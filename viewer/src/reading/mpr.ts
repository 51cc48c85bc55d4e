// Three planes through one point of a volume, turned together.

import { signal } from "@preact/signals";
import type { Plane } from "../geometry/plane";
import type { Volume } from "../geometry/volume";
import { add, cross, dot, rotateAbout, scale, type Vec3 } from "../geometry/vector";

export type MprView = "axial" | "coronal" | "sagittal";

type Axes = readonly [left: Vec3, posterior: Vec3, head: Vec3];
const PATIENT: Axes = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
];

export class MprGroup {
  readonly center = signal<Vec3>([0, 0, 0]);
  readonly axes = signal<Axes>(PATIENT);

  constructor(readonly volume: Volume) {
    this.reset();
  }

  reset(): void {
    this.center.value = this.volume.center;
    this.axes.value = PATIENT;
  }

  /** As read by convention: axial from the feet, coronal from the front, sagittal from the left. */
  directions(view: MprView): { right: Vec3; down: Vec3 } {
    const [left, posterior, head] = this.axes.value;
    switch (view) {
      case "axial":
        return { right: left, down: posterior };
      case "coronal":
        return { right: left, down: scale(head, -1) };
      case "sagittal":
        return { right: posterior, down: scale(head, -1) };
    }
  }

  /** Turns the other planes about the normal of the one the crosshair was dragged in. */
  rotate(normal: Vec3, angle: number): void {
    this.axes.value = this.axes.value.map((axis) => rotateAbout(axis, normal, angle)) as unknown as Axes;
  }

  /** Turns the planes, if need be, so that one of them is a given one through `point`; returns which. */
  lay({ right, down, normal }: Plane, point: Vec3): MprView {
    this.center.value = point;
    const views: readonly MprView[] = ["axial", "coronal", "sagittal"];
    const held = views.find((view) => {
      const now = this.directions(view);
      return Math.abs(dot(cross(now.right, now.down), normal)) > 0.9999;
    });
    if (held) return held;
    const up = scale(down, -1);
    const choices: readonly (readonly [MprView, Axes])[] = [
      ["axial", [right, down, normal]],
      ["coronal", [right, normal, up]],
      ["sagittal", [scale(normal, -1), right, up]],
    ];
    const turned = (axes: Axes): number => axes.reduce((sum, axis, i) => sum + dot(axis, PATIENT[i]!), 0);
    const [view, axes] = choices.reduce((a, b) => (turned(b[1]) > turned(a[1]) ? b : a));
    this.axes.value = axes;
    return view;
  }

  /** Moves the point within a plane. */
  moveTo(point: Vec3, normal: Vec3): void {
    const offset = dot(this.center.value, normal) - dot(point, normal);
    this.center.value = add(point, scale(normal, offset));
  }
}
