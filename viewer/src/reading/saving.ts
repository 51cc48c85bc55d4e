// Measurements and key images to the archive and back.

import { grouped } from "../dicom/grouped";
import { items, number } from "../dicom/json";
import type { Frame } from "../dicom/image";
import { Tag } from "../dicom/tags";
import { part10, type Item } from "../dicom/write";
import { t } from "../i18n";
import { instancePath, remove, store } from "../net/dicomweb";
import { keyObjectSelection, selectedFrames, KEY_OBJECT_SELECTION } from "../tools/kos";
import { annotationsOf, COMPREHENSIVE_SR, measurementReport, type Measured } from "../tools/sr";
import { reasonOf, say } from "../ui/notices";
import type { Reading } from "./context";
import type { Session } from "./session";
import { surfaceOf } from "./surfaces";

async function send(object: Item): Promise<void> {
  const { answer } = await store([part10(object)]);
  const [failed] = items(answer, Tag.FailedSOPSequence);
  if (failed) throw new Error(t("save.refused", { reason: `0x${(number(failed, Tag.FailureReason) ?? 0).toString(16)}` }));
}

/** One report a study, replacing those its measurements came from. */
export async function saveMeasurements({ session }: Reading): Promise<void> {
  const measured: Measured[] = session.annotations.value.flatMap((annotation) => {
    const surface = surfaceOf(session, annotation);
    return annotation.target.kind === "frame" && surface ? [{ annotation, frame: annotation.target.frame, surface }] : [];
  });
  if (measured.length === 0) return say("error", t("save.onlyFrames"));
  try {
    for (const [study, ofStudy] of grouped(measured, (m) => m.frame.study)) {
      const report = measurementReport(ofStudy, new Date(), "");
      await send(report);
      const saved = { study, series: report["0020000E"]![1] as string, instance: report["00080018"]![1] as string };
      const replaced = new Set(session.reports.get(study));
      session.reports.set(study, [saved.series + "/" + saved.instance]);
      const own = new Set(ofStudy.map((m) => m.annotation.id));
      session.annotations.value = session.annotations.value.map((a) => (own.has(a.id) ? { ...a, saved } : a));
      await removeReports(study, replaced);
    }
    say("info", t("save.done"));
  } catch (error) {
    say("error", t("save.failed", { reason: reasonOf(error) }));
  }
}

/** The reports that the one just stored takes the place of. A server may forbid it: both then stay. */
async function removeReports(study: string, reports: ReadonlySet<string>): Promise<void> {
  for (const report of reports) {
    const [series, instance] = report.split("/") as [string, string];
    await remove(instancePath(study, series, instance)).catch(() => undefined);
  }
}

export async function saveKeyImages({ session }: Reading): Promise<void> {
  try {
    for (const frames of grouped(session.keyFrames.value, (f) => f.study).values())
      await send(keyObjectSelection(frames, new Date()));
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
  for (const document of waiting) {
    session.restored.add(document.id);
    if (document.sopClass === COMPREHENSIVE_SR) {
      const found = annotationsOf(document.dataset, frames);
      if (found.length === 0) continue;
      const known = new Set(session.annotations.value.map((a) => a.id));
      session.annotations.value = [...session.annotations.value, ...found.filter((a) => !known.has(a.id))];
      const own = session.reports.get(document.study) ?? [];
      session.reports.set(document.study, [...own, `${document.series}/${document.instance}`]);
    } else if (document.sopClass === KEY_OBJECT_SELECTION) {
      const chosen = selectedFrames(document.dataset).flatMap((id) => frames.get(id) ?? []);
      session.keyFrames.value = [...new Set([...session.keyFrames.value, ...chosen])];
    }
  }
}
