// A measurement while it is being drawn, the magnifier, and the point located in all panes.

import { signal } from "@preact/signals";
import { newUid } from "../dicom/uid";
import { distance2, type Vec2, type Vec3 } from "../geometry/vector";
import type { Annotation, Target } from "../tools/annotation";
import { TOOLS } from "../tools";
import type { ToolName } from "../tools/tool";
import type { Session } from "./session";
import type { Viewport } from "./viewport";

export interface Draft {
  readonly viewport: Viewport;
  readonly tool: ToolName;
  readonly target: Target;
  readonly points: readonly Vec2[];
  readonly hover?: Vec2; // where the next point would be
}

export class Drafts {
  readonly draft = signal<Draft | undefined>(undefined);
  readonly pending = signal<Annotation | undefined>(undefined); // waits for its text
  readonly magnifier = signal<{ viewport: Viewport; at: Vec2 } | undefined>(undefined);
  readonly located = signal<{ point: Vec3; frameOfReference?: string } | undefined>(undefined);
  readonly pointer = signal<{ viewport: Viewport; image: Vec2 } | undefined>(undefined);

  constructor(private readonly session: Session) {}

  drawing(viewport: Viewport): boolean {
    return this.draft.value?.viewport === viewport;
  }

  hover(viewport: Viewport, image: Vec2 | undefined, _screen: Vec2): void {
    this.pointer.value = image && { viewport, image };
    const draft = this.draft.value;
    if (draft && draft.viewport === viewport && image) this.draft.value = { ...draft, hover: image };
  }

  cancel(): void {
    this.draft.value = undefined;
  }

  press(
    viewport: Viewport,
    name: ToolName,
    point: Vec2,
    image: (screen: Vec2) => Vec2 | undefined,
  ): { move(at: Vec2): void; end(at: Vec2): void } | undefined {
    const tool = TOOLS[name];
    const target = targetOf(viewport);
    if (!target) return undefined;
    if (tool.gesture === "points") {
      const draft = this.draft.value;
      const same = draft && draft.viewport === viewport && draft.tool === name && sameTarget(draft.target, target);
      const points = same ? [...draft.points, point] : [point];
      const zoom = viewport.placement.value?.zoom ?? 1;
      const closing = tool.count === undefined && points.length > 3 && distance2(point, points[0]!) * zoom < 10;
      if (closing) this.finish({ viewport, tool: name, target, points: points.slice(0, -1) });
      else if (points.length === tool.count) this.finish({ viewport, tool: name, target, points });
      else this.draft.value = { viewport, tool: name, target, points };
      return { move: (at) => this.hover(viewport, image(at), at), end: () => undefined };
    }
    this.draft.value = { viewport, tool: name, target, points: tool.gesture === "trace" ? [point] : [point, point] };
    return {
      move: (at) => {
        const to = image(at);
        const draft = this.draft.value;
        if (!to || !draft) return;
        const trace = tool.gesture === "trace";
        this.draft.value = { ...draft, points: trace ? traced(draft.points, to, viewport) : [draft.points[0]!, to] };
      },
      end: () => {
        const draft = this.draft.value;
        if (!draft) return;
        const zoom = viewport.placement.value?.zoom ?? 1;
        const size = Math.max(...draft.points.map((p) => distance2(p, draft.points[0]!))) * zoom;
        // A press that did not move is not a measurement.
        if (size < 4 || (tool.gesture === "trace" && draft.points.length < 3)) this.draft.value = undefined;
        else this.finish(draft);
      },
    };
  }

  /** Ends a contour drawn by clicks. True when there was one. */
  close(viewport: Viewport): boolean {
    const draft = this.draft.value;
    if (!draft || draft.viewport !== viewport || TOOLS[draft.tool].count !== undefined) return false;
    // The two presses of the double click left two points in one place.
    const points = draft.points.filter((p, i) => i === 0 || distance2(p, draft.points[i - 1]!) > 0.5);
    if (points.length >= 3) this.finish({ ...draft, points });
    else this.draft.value = undefined;
    return true;
  }

  private finish(draft: Draft): void {
    this.draft.value = undefined;
    const tool = TOOLS[draft.tool];
    const surface = draft.viewport.surface.value;
    if (!surface) return;
    const annotation: Annotation = {
      id: newUid(),
      uid: newUid(),
      tool: draft.tool,
      target: draft.target,
      points: tool.complete ? tool.complete(draft.points, surface) : draft.points,
      text: "",
    };
    if (tool.text) this.pending.value = annotation;
    else this.add(annotation);
  }

  add(annotation: Annotation): void {
    this.session.annotations.value = [...this.session.annotations.value, annotation];
    this.session.selected.value = annotation.id;
  }
}

function traced(points: readonly Vec2[], to: Vec2, viewport: Viewport): readonly Vec2[] {
  const zoom = viewport.placement.value?.zoom ?? 1;
  return distance2(points.at(-1)!, to) * zoom < 3 ? points : [...points, to];
}

function targetOf(viewport: Viewport): Target | undefined {
  const source = viewport.source.value;
  const frame = viewport.frame.value;
  if (frame) return { kind: "frame", frame };
  const plane = viewport.plane.value;
  if (source?.kind === "mpr" && plane) return { kind: "cut", plane, reference: source.group.volume.frames[0]! };
  return undefined;
}

const sameTarget = (a: Target, b: Target): boolean =>
  a.kind === "frame" && b.kind === "frame" ? a.frame === b.frame : a.kind === b.kind;
