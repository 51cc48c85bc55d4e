// Views kept as presentation states: saved from a pane, shown in one.

import { batch, signal } from "@preact/signals";
import type { Document } from "../dicom/stacks";
import type { Frame } from "../dicom/image";
import type { Dataset } from "../dicom/json";
import { t } from "../i18n";
import { apply, fitZoom } from "../geometry/view";
import type { Vec2 } from "../geometry/vector";
import type { Voi } from "../pixels/voi";
import { resultsOf } from "../tools";
import { COLOR_PRESENTATION_STATE, GRAYSCALE_PRESENTATION_STATE, isAbout, isColour, presentationOf, presentationState, presentedVoi, referenced, type Drawn, type Presentation } from "../tools/presentation";
import { say } from "../ui/notices";
import { resultText } from "./format";
import { send } from "./saving";
import type { Session } from "./session";
import { surfaceOf } from "./surfaces";
import type { Source, Viewport } from "./viewport";

export interface Showing {
  readonly presentation: Presentation;
  readonly source: Source; // another one shown in the pane, even of the same stack, has no state
  /** Measurements that were there already, which the state draws too. */
  readonly hidden: ReadonlySet<string>;
}

/** By the pane's number. */
const showing = signal<ReadonlyMap<number, Showing>>(new Map());

/** The state that a pane shows. */
export function showingIn(viewport: Viewport): Showing | undefined {
  const shown = showing.value.get(viewport.id);
  return shown?.source === viewport.source.value ? shown : undefined;
}

const STATES = [GRAYSCALE_PRESENTATION_STATE, COLOR_PRESENTATION_STATE];
export const isPresentation = (document: Document): boolean => STATES.includes(document.sopClass);

export function endShowing(viewport: Viewport): void {
  if (showing.value.has(viewport.id)) showing.value = new Map([...showing.value].filter(([id]) => id !== viewport.id));
}

/** Whether a pane shows an image, of which a state can be kept. */
export const canKeepView = (viewport: Viewport | undefined): boolean => viewport?.frame.value !== undefined && viewport.voi.value !== undefined;

export async function keepView(session: Session, viewport: Viewport, label: string): Promise<void> {
  const [frame, stack, voi, toImage] = [viewport.frame.value, viewport.stack.value, viewport.voi.value, viewport.toImage.value];
  if (!frame || !stack || !voi || !toImage) return;
  if (isColour(frame) && (viewport.chosenVoi.value || viewport.inverted.value)) throw new Error(t("stored.colourWindow"));
  const { width, height } = viewport.rect.value;
  const chosen = viewport.chosen.value;
  // One state has one modality transformation for all its images: PS3.3 §A.33.1.1.
  const alike = (other: Frame): boolean => other.modality.slope === frame.modality.slope && other.modality.intercept === frame.modality.intercept;
  const drawn = session.annotations.value.flatMap((annotation): Drawn[] => {
    const { target } = annotation;
    if (target.kind !== "frame" || !stack.frames.includes(target.frame) || !alike(target.frame)) return [];
    const results = resultsOf(annotation, surfaceOf(session, annotation));
    return [{ annotation, frame: target.frame, lines: [annotation.text, ...results.map(resultText)].filter(Boolean) }];
  });
  const state = presentationState(
    {
      label,
      frame,
      voi,
      inverse: frame.inverse !== viewport.inverted.value,
      shutter: viewport.shutter.value,
      rotation: chosen.rotation,
      flipX: chosen.flipX,
      flipY: chosen.flipY,
      area: chosen.zoom === undefined && chosen.center === undefined ? undefined : [apply(toImage, [0, 0]), apply(toImage, [width, height])],
      drawn,
    },
    new Date(),
  );
  await send(session, state);
}

/** Shows the first image that the state is about, in the pane that has its stack, else the active one. */
export function showPresentation(session: Session, document: Document): void {
  const ids = referenced(document.dataset);
  const stack = session.stacks.value.find((s) => s.frames.some((f) => isAbout(ids, f)));
  const viewport = session.viewports.value.find((v) => stack !== undefined && v.stack.value === stack) ?? session.active.value;
  if (!stack || !viewport) return say("error", t("stored.noImages"));
  const index = stack.frames.findIndex((f) => isAbout(ids, f));
  const frame = stack.frames[index]!;
  const presentation = presentationOf(document.dataset, frame);
  if (presentedVoi(document.dataset, frame) === "unlike") say("error", t("stored.unlike"));
  batch(() => {
    session.showStack(viewport, stack, index);
    session.activeId.value = viewport.id;
    viewport.presentedVoi.value = voiByFrame(document.dataset, presentation.frames, frame);
    viewport.inverted.value = !isColour(frame) && frame.inverse !== presentation.inverse;
    // A state takes the place of the image's own shutter (PS3.4 §N.2).
    viewport.chosenShutter.value = presentation.shutter ?? "none";
    viewport.chosen.value = { ...presentation.turn, ...placed(viewport, frame, presentation) };
    const hidden = session.annotations.value.filter((a) => a.target.kind === "frame" && isAbout(presentation.frames, a.target.frame)).map((a) => a.id);
    showing.value = new Map(showing.value).set(viewport.id, { presentation, source: viewport.source.value!, hidden: new Set(hidden) });
  });
}

/** A state may have a window for each image; images it is not about keep that of the first. */
function voiByFrame(state: Dataset, ids: readonly string[], first: Frame): (frame: Frame) => Voi | undefined {
  const known = new Map<Frame, Voi | undefined>();
  return (shown) => {
    const frame = isAbout(ids, shown) ? shown : first;
    if (!known.has(frame)) {
      const voi = presentedVoi(state, frame);
      known.set(frame, voi === "unlike" ? undefined : voi);
    }
    return known.get(frame);
  };
}

/** What puts the displayed area into the pane; nothing when that is the whole image. */
function placed(viewport: Viewport, frame: Frame, { area, turn }: Presentation): { center?: Vec2; zoom?: number } {
  const { columns, rows } = frame.format;
  if (!area || (area.min[0] <= 0 && area.min[1] <= 0 && area.max[0] >= columns && area.max[1] >= rows)) return {};
  const size: Vec2 = [area.max[0] - area.min[0], area.max[1] - area.min[1]];
  const { width, height } = viewport.rect.value;
  return {
    center: [(area.min[0] + area.max[0]) / 2, (area.min[1] + area.max[1]) / 2],
    zoom: fitZoom(size, frame.aspect, turn.rotation, [width, height]),
  };
}
