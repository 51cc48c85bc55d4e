// The surface a stored measurement was drawn on, whether or not a pane shows it now.

import type { Annotation } from "../tools/annotation";
import type { Surface } from "../tools/surface";
import type { Session } from "./session";
import { cutSurface, frameSurface } from "./viewport";

export function surfaceOf(session: Session, annotation: Annotation): Surface | undefined {
  const { target } = annotation;
  if (target.kind === "frame") return frameSurface(session.store, target.frame);
  const stack = session.stacks.value.find((s) => s.frames.includes(target.reference));
  const group = stack && session.group(stack);
  return typeof group === "object" ? cutSurface(session.store, group.volume, target.plane) : undefined;
}
