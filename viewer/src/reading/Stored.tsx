// Reports of measurements, key images and views that the archive has of the opened studies: opened,
// removed; and the present view kept as one more.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { text } from "../dicom/json";
import type { Document } from "../dicom/stacks";
import { Tag } from "../dicom/tags";
import { formatDate, formatTime, t, type Key } from "../i18n";
import { may } from "../access/session";
import { KEY_OBJECT_SELECTION, selectedFrames } from "../tools/kos";
import { COLOR_PRESENTATION_STATE, GRAYSCALE_PRESENTATION_STATE } from "../tools/presentation";
import { COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR } from "../tools/sr";
import { IconButton } from "../ui/controls";
import { FormDialog } from "../ui/dialogs";
import { Icon, type IconName } from "../ui/icons";
import { reasonOf, say } from "../ui/notices";
import { useReading } from "./context";
import { goTo, goToAnnotation } from "./goTo";
import { canKeepView, keepView, showPresentation } from "./presentations";
import { removeStored } from "./saving";
import type { Session } from "./session";

interface Kind {
  readonly icon: IconName;
  readonly label: Key;
  open(session: Session, document: Document): void;
}

const frameOf = (session: Session, id: string | undefined) =>
  session.stacks.value.flatMap((s) => s.frames).find((f) => f.id === id);

function openReport(session: Session, document: Document): void {
  const first = session.annotations.value.find((a) => a.saved?.instance === document.instance);
  if (first) goToAnnotation(session, first);
  else if (session.active.value) session.show(session.active.value, { kind: "document", document });
}

const KINDS: Readonly<Record<string, Kind>> = {
  [COMPREHENSIVE_SR]: { icon: "document", label: "stored.report", open: openReport },
  [COMPREHENSIVE_3D_SR]: { icon: "document", label: "stored.report3d", open: openReport },
  [KEY_OBJECT_SELECTION]: {
    icon: "key",
    label: "stored.keyImages",
    open(session, document) {
      const frame = frameOf(session, selectedFrames(document.dataset)[0]);
      if (frame) goTo(session, frame);
      else say("error", t("stored.noImages"));
    },
  },
  [GRAYSCALE_PRESENTATION_STATE]: { icon: "state", label: "stored.view", open: showPresentation },
  [COLOR_PRESENTATION_STATE]: { icon: "state", label: "stored.view", open: showPresentation },
};

export function Stored(): JSX.Element {
  const { session } = useReading();
  const keeping = useSignal(false);
  const removing = useSignal<Document | undefined>(undefined);
  const stored = session.documents.value.filter((d) => KINDS[d.sopClass]);
  const viewport = session.active.value;
  return (
    <section>
      <h2>{t("stored.title")}</h2>
      {stored.length === 0 ? (
        <p class="quiet">{t("stored.none")}</p>
      ) : (
        <ul class="stored">
          {stored.map((document) => (
            <li key={document.id}>
              <button type="button" class="row" onClick={() => KINDS[document.sopClass]!.open(session, document)}>
                <Icon name={KINDS[document.sopClass]!.icon} size={16} />
                <span>
                  <b>{nameOf(document)}</b>
                  <small>{momentOf(document)}</small>
                </span>
              </button>
              {may("delete") && <IconButton icon="trash" label={`${t("stored.remove")}: ${nameOf(document)}`} onClick={() => (removing.value = document)} />}
            </li>
          ))}
        </ul>
      )}
      {may("store") && (
        <button type="button" class="button" disabled={!canKeepView(viewport)} onClick={() => (keeping.value = true)}>
          {t("stored.keepView")}
        </button>
      )}
      {keeping.value && viewport && (
        <FormDialog
          title={t("stored.keepView")}
          close={() => (keeping.value = false)}
          action={t("action.save")}
          submit={(form) => {
            keepView(session, viewport, String(form.get("name") ?? "").trim()).then(
              () => say("info", t("save.done")),
              (error: unknown) => say("error", t("save.failed", { reason: reasonOf(error) })),
            );
          }}
        >
          <p class="quiet">{t("stored.keepViewNote")}</p>
          <label class="field">
            {t("hanging.name")}
            <input name="name" type="text" maxLength={64} required autofocus />
          </label>
        </FormDialog>
      )}
      {removing.value && <RemoveDialog document={removing.value} close={() => (removing.value = undefined)} />}
    </section>
  );
}

function RemoveDialog({ document, close }: { document: Document; close: () => void }): JSX.Element {
  const { session } = useReading();
  return (
    <FormDialog
      title={t("stored.remove")}
      close={close}
      action={t("stored.remove")}
      danger
      submit={() => {
        removeStored(session, document).then(
          () => say("info", t("stored.removed")),
          (error: unknown) => say("error", t("common.error", { reason: reasonOf(error) })),
        );
      }}
    >
      <p>{t("stored.removeConfirm", { name: nameOf(document), moment: momentOf(document) })}</p>
    </FormDialog>
  );
}

const nameOf = (document: Document): string => text(document.dataset, "00700081") ?? t(KINDS[document.sopClass]!.label);

function momentOf({ dataset }: Document): string {
  const date = text(dataset, "00700082") ?? text(dataset, Tag.ContentDate) ?? text(dataset, Tag.SeriesDate);
  const time = text(dataset, "00700083") ?? text(dataset, Tag.ContentTime) ?? text(dataset, Tag.SeriesTime);
  return `${formatDate(date)} ${formatTime(time)}`.trim();
}
