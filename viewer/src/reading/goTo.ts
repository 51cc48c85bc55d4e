import type { Frame } from "../dicom/image";
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
