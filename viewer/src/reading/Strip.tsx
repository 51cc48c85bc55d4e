// The series of every opened study, with thumbnails and progress; earlier studies below.

import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { text, texts } from "../dicom/json";
import { projectionOf } from "../dicom/projection";
import type { Stack } from "../dicom/stacks";
import { Tag } from "../dicom/tags";
import { formatDate, t } from "../i18n";
import { picture } from "../pixels/picture";
import { autoVoi, defaultVoi } from "../pixels/voi";
import { Doubts } from "../ui/Doubts";
import { Icon } from "../ui/icons";
import { modalityIcon } from "../ui/modality";
import { reasonOf, say } from "../ui/notices";
import { useReading } from "./context";
import { sideText } from "./Corners";
import { isPresentation, showPresentation } from "./presentations";

export function Strip(): JSX.Element {
  const { session } = useReading();
  return (
    <nav class="strip" aria-label={t("toolbar.strip")}>
      {session.studies.value.map((study) => (
        <section key={study.uid}>
          <h2>
            <span>{formatDate(text(study.facts, Tag.StudyDate)) || "—"}</span> {text(study.facts, Tag.StudyDescription) ?? ""}
          </h2>
          {study.failed && <p class="error-text">{study.failed === "empty" ? t("state.empty") : study.failed}</p>}
          <ul>
            {session.stacks.value
              .filter((stack) => stack.study === study.uid)
              .map((stack) => (
                <li key={stack.id}>
                  <StackTile stack={stack} />
                </li>
              ))}
            {session.documents.value
              .filter((document) => document.study === study.uid)
              .map((document) => (
                <li key={document.id}>
                  <button
                    type="button"
                    class="tile document-tile"
                    onClick={() => {
                      const viewport = session.active.value;
                      if (isPresentation(document)) showPresentation(session, document);
                      else if (viewport) session.show(viewport, { kind: "document", document });
                    }}
                  >
                    <Icon name={modalityIcon(document.modality)} size={26} />
                    <span class="tile-text">
                      <b>{document.modality}</b> {document.description}
                    </span>
                  </button>
                </li>
              ))}
          </ul>
          {study.loading > 0 && <p class="strip-loading"><span class="spinner small" /> {t("state.loading")}</p>}
        </section>
      ))}
      <Priors />
    </nav>
  );
}

function Priors(): JSX.Element | null {
  const { session } = useReading();
  const open = new Set(session.studies.value.map((s) => s.uid));
  const priors = session.priors.value.filter((row) => !open.has(text(row, Tag.StudyInstanceUID) ?? ""));
  if (priors.length === 0) return null;
  const compare = async (uid: string): Promise<void> => {
    try {
      const { rows, columns } = session.layout.value;
      if (rows * columns < 2) session.setLayout({ rows: 1, columns: 2 });
      await session.open(uid);
      session.fill(session.stacks.value.filter((s) => s.study === uid));
    } catch (error) {
      say("error", reasonOf(error));
    }
  };
  return (
    <section>
      <h2>{t("strip.priors")}</h2>
      <ul>
        {priors.map((row) => {
          const uid = text(row, Tag.StudyInstanceUID) ?? "";
          return (
            <li key={uid}>
              <button type="button" class="tile prior" onClick={() => void compare(uid)}>
                <Icon name="compare" size={18} />
                <span class="tile-text">
                  <b>{formatDate(text(row, Tag.StudyDate)) || "—"}</b> {texts(row, Tag.ModalitiesInStudy).join(" ")} {text(row, Tag.StudyDescription) ?? ""}
                  <Doubts study={row} own={session.studies.value[0]?.facts} />
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function StackTile({ stack }: { stack: Stack }): JSX.Element {
  const { session } = useReading();
  const projection = projectionOf(stack.frames[0]!.dataset);
  const shown = session.viewports.value.some((v) => v.stack.value?.id === stack.id);
  return (
    <button
      type="button"
      class={shown ? "tile shown" : "tile"}
      draggable
      onDragStart={(event) => event.dataTransfer?.setData("application/x-stack", stack.id)}
      onClick={() => {
        const viewport = session.active.value;
        if (viewport) session.showStack(viewport, stack);
      }}
    >
      <Thumbnail stack={stack} />
      <span class="tile-text">
        <b>{stack.modality}</b> {stack.number ?? ""} {stack.description || t("strip.unnamed")}
        {projection && <strong class={projection.stated ? "tile-view" : "warn-text"}>{sideText(projection)}</strong>}
      </span>
      <Ring stack={stack} />
    </button>
  );
}

const SIDE = 112;

function Thumbnail({ stack }: { stack: Stack }): JSX.Element {
  const { session } = useReading();
  const canvas = useRef<HTMLCanvasElement>(null);
  useSignalEffect(() => {
    void session.store.changed(stack.series).value;
    const frame = stack.frames[stack.frames.length >> 1]!;
    const element = canvas.current;
    if (!element || element.dataset["drawn"]) return;
    const pixels = session.store.shown(frame);
    if (!pixels) return;
    const voi = defaultVoi(frame, pixels) ?? autoVoi(frame, pixels);
    const step = Math.max(pixels.columns, pixels.rows * frame.aspect) / SIDE;
    const image = picture(frame, pixels, voi, Math.max(step, 1));
    element.width = image.width;
    element.height = image.height;
    element.getContext("2d")!.putImageData(image, 0, 0);
    element.dataset["drawn"] = "yes";
  });
  return <canvas class="thumbnail" ref={canvas} width={SIDE} height={SIDE} aria-hidden="true" />;
}

/** How much of the series has arrived (the paler arc) and is decoded. */
function Ring({ stack }: { stack: Stack }): JSX.Element {
  const { session } = useReading();
  void session.store.changed(stack.series).value;
  const { ready, arrived, failed, total } = session.store.progress(stack.frames);
  const around = 2 * Math.PI * 8;
  const arc = (count: number, name: string): JSX.Element => (
    <circle cx="10" cy="10" r="8" class={name} stroke-dasharray={`${(count / total) * around} ${around}`} transform="rotate(-90 10 10)" />
  );
  return (
    <span class="ring" title={t("strip.progress", { ready, arrived, total })}>
      {failed > 0 ? (
        <b class="error-text">!</b>
      ) : (
        ready < total && (
          <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
            <circle cx="10" cy="10" r="8" class="ring-back" />
            {arc(arrived, "ring-arrived")}
            {arc(ready, "ring-front")}
          </svg>
        )
      )}
      <small>{total}</small>
    </span>
  );
}
