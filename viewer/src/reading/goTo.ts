import type { Frame } from "../dicom/image";
import { toPatient } from "../geometry/plane";
import { add, scale, type Vec3 } from "../geometry/vector";
import type { Annotation } from "../tools/annotation";
import type { Session } from "./session";

/** Shows a frame where its stack is shown, else in the active pane. */
export function goTo(session: Session, frame: Frame): void {
  const stack = session.stacks.value.find((s) => s.frames.some((f) => f.id === frame.id));
  const viewport = session.viewports.value.find((v) => v.stack.value === stack) ?? session.active.value;
  if (!stack || !viewport) return;
  const index = stack.frames.findIndex((f) => f.id === frame.id);
  if (viewport.stack.value === stack) viewport.scrollTo(index);
  else session.showStack(viewport, stack, index);
  session.activeId.value = viewport.id;
}

/** Shows a measurement: its image, or the cut that it was drawn on. */
export function goToAnnotation(session: Session, annotation: Annotation): void {
  session.selected.value = annotation.id;
  const { target, points } = annotation;
  if (target.kind === "frame") return goTo(session, target.frame);
  const stack = session.stacks.value.find((s) => s.frames.includes(target.reference));
  const group = stack && session.group(stack);
  if (!stack || typeof group !== "object") return;
  const shows = (): boolean => session.viewports.value.some((v) => v.source.value?.kind === "mpr" && v.source.value.group === group);
  if (!shows()) session.mpr(stack);
  const sum = points.map((p) => toPatient(target.plane, p)).reduce<Vec3>(add, [0, 0, 0]);
  const view = group.lay(target.plane, scale(sum, 1 / points.length));
  const pane = session.viewports.value.find((v) => v.source.value?.kind === "mpr" && v.source.value.group === group && v.source.value.view === view);
  if (pane) session.activeId.value = pane.id;
  else session.show(session.active.value!, { kind: "mpr", group, view });
}
