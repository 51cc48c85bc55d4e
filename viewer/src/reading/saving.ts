// Measurements and key images to the archive and back; what was stored, removed again.

import { grouped } from "../dicom/grouped";
import { items, number, text, type Dataset } from "../dicom/json";
import type { Frame } from "../dicom/image";
import { documentOf, type Document } from "../dicom/stacks";
import { Tag } from "../dicom/tags";
import { part10, type Item } from "../dicom/write";
import { t } from "../i18n";
import { instancePath } from "../net/address";
import { metadata, remove, store } from "../net/dicomweb";
import { keyObjectSelection, selectedFrames, KEY_OBJECT_SELECTION } from "../tools/kos";
import { COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, measurementReport, sopClassOf, type Measured } from "../tools/sr";
import { annotationsOf, type Opened } from "../tools/srReading";
import { resultsOf } from "../tools";
import { MANUFACTURER } from "../tools/written";
import { reasonOf, say } from "../ui/notices";
import type { Session } from "./session";
import { surfaceOf } from "./surfaces";

/** Stores an object; it is then one of the session's documents. */
export async function send(session: Session, object: Item): Promise<Document> {
  const { answer } = await store([part10(object)]);
  const [failed] = items(answer, Tag.FailedSOPSequence);
  if (failed) throw new Error(t("save.refused", { reason: `0x${(number(failed, Tag.FailureReason) ?? 0).toString(16)}` }));
  const value = (tag: string): string => object[tag]![1] as string;
  const [stored] = await metadata(value(Tag.StudyInstanceUID), value(Tag.SeriesInstanceUID), undefined, value(Tag.SOPInstanceUID));
  const document = documentOf(stored!);
  session.restored.add(document.id);
  session.documents.value = [...session.documents.value, document];
  return document;
}

/** Removes a stored object from the archive, and what was read from it from the page. */
export async function removeStored(session: Session, document: Document): Promise<void> {
  await remove(instancePath(document.study, document.series, document.instance));
  session.documents.value = session.documents.value.filter((d) => d !== document);
  session.annotations.value = session.annotations.value.filter((a) => a.saved?.instance !== document.instance);
  if (document.sopClass !== KEY_OBJECT_SELECTION) return;
  const others = session.documents.value.filter((d) => d.sopClass === KEY_OBJECT_SELECTION).flatMap((d) => selectedFrames(d.dataset));
  const gone = selectedFrames(document.dataset).filter((id) => !others.includes(id));
  const stays = (frame: Frame): boolean => !gone.includes(frame.id);
  session.keyFrames.value = session.keyFrames.value.filter(stays);
  session.savedKeys.value = session.savedKeys.value.filter(stays);
}

const isOurs = (dataset: Dataset): boolean => text(dataset, Tag.Manufacturer) === MANUFACTURER;

/** Objects of ours and of one kind in a study: those that the next one of the kind replaces. */
const ours = (session: Session, study: string, sopClass: string): Document[] =>
  session.documents.value.filter((d) => d.study === study && d.sopClass === sopClass && isOurs(d.dataset));

/** What the one just stored takes the place of. A server may forbid it: both then stay. */
async function removeReplaced(session: Session, replaced: readonly Document[]): Promise<void> {
  for (const document of replaced) {
    const done = await remove(instancePath(document.study, document.series, document.instance)).then(() => true, () => false);
    if (done) session.documents.value = session.documents.value.filter((d) => d !== document);
  }
}

export function removeAnnotation(session: Session, id: string | undefined): void {
  if (session.annotations.value.some((a) => a.id === id && a.saved)) session.edited.value = true;
  session.annotations.value = session.annotations.value.filter((a) => a.id !== id);
}

const REPORTS = [COMPREHENSIVE_SR, COMPREHENSIVE_3D_SR];

/**
 * One report a study of what is on images, one of what is on cuts, replacing ours that were there; a
 * study without measurements has none.
 */
export async function saveMeasurements(session: Session): Promise<void> {
  const measured = session.annotations.value.flatMap((annotation): Measured[] => {
    const { target } = annotation;
    const frame = target.kind === "frame" ? target.frame : target.reference;
    if (target.kind === "cut" && frame.frameOfReference === undefined) return [];
    return [{ annotation, frame, results: resultsOf(annotation, surfaceOf(session, annotation)) }];
  });
  if (measured.length < session.annotations.value.length) say("error", t("save.noSpace"));
  if (measured.length === 0 && !session.edited.value) return;
  try {
    for (const { uid } of session.studies.value)
      for (const sopClass of REPORTS) {
        const own = measured.filter(({ annotation, frame }) => frame.study === uid && sopClassOf(annotation) === sopClass);
        const replaced = ours(session, uid, sopClass);
        if (own.length > 0) {
          const { study, series, instance } = await send(session, measurementReport(own, new Date()));
          const said = new Map(own.map((m) => [m.annotation.id, m.results]));
          session.annotations.value = session.annotations.value.map((a) => (said.has(a.id) ? { ...a, saved: { study, series, instance }, recorded: said.get(a.id) } : a));
        }
        await removeReplaced(session, replaced);
      }
    session.edited.value = false;
    if (measured.length === session.annotations.value.length) say("info", t("save.done"));
  } catch (error) {
    say("error", t("save.failed", { reason: reasonOf(error) }));
  }
}

export async function saveKeyImages(session: Session): Promise<void> {
  try {
    const marked = session.keyFrames.value;
    const byStudy = grouped(marked, (frame) => frame.study);
    for (const { uid } of session.studies.value) {
      const replaced = ours(session, uid, KEY_OBJECT_SELECTION);
      const frames = byStudy.get(uid);
      if (frames) await send(session, keyObjectSelection(frames, new Date()));
      await removeReplaced(session, replaced);
    }
    session.savedKeys.value = marked;
    say("info", t("save.done"));
  } catch (error) {
    say("error", t("save.failed", { reason: reasonOf(error) }));
  }
}

/** Brings in what earlier reports and selections of the opened studies hold, once their images are known. */
export function restore(session: Session): void {
  const waiting = session.documents.value.filter((d) => !session.restored.has(d.id));
  if (waiting.length === 0 || session.studies.value.some((study) => study.loading > 0)) return;
  const frames = new Map<string, Frame>();
  for (const stack of session.stacks.value) for (const frame of stack.frames) frames.set(frame.id, frame);
  const volume: Opened["volume"] = (frameOfReference, series) => {
    const inSpace = session.stacks.value.filter((stack) => frameOfReference && stack.frames[0]!.frameOfReference === frameOfReference);
    const groups = [...inSpace.filter((s) => series.includes(s.series)), ...inSpace].map((stack) => session.group(stack));
    return groups.find((group) => typeof group === "object")?.volume;
  };
  for (const document of waiting) {
    session.restored.add(document.id);
    if (REPORTS.includes(document.sopClass)) {
      const known = new Set(session.annotations.value.map((a) => a.id));
      const found = annotationsOf(document.dataset, { frames, volume }).filter((a) => !known.has(a.id));
      if (found.length > 0) session.annotations.value = [...session.annotations.value, ...found];
    } else if (document.sopClass === KEY_OBJECT_SELECTION) {
      const chosen = selectedFrames(document.dataset).flatMap((id) => frames.get(id) ?? []);
      session.keyFrames.value = [...new Set([...session.keyFrames.value, ...chosen])];
      session.savedKeys.value = [...new Set([...session.savedKeys.value, ...chosen])];
    }
  }
}
