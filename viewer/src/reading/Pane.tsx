// One pane: a transparent place over the shared canvas, with its overlay and corner texts.

import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Icon } from "../ui/icons";
import { togglePlay } from "./cine";
import { useReading } from "./context";
import { Corners } from "./Corners";
import { DocumentView } from "./DocumentView";
import { Gestures } from "./gestures";
import { Overlay } from "./Overlay";
import { Segments } from "./Overlays";
import { Planes } from "./Planes";
import { Rendered } from "./Rendered";
import type { Viewport } from "./viewport";

export function Pane({ viewport }: { viewport: Viewport }): JSX.Element {
  const { session, drafts } = useReading();
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => new Gestures(session, viewport, element.current!, drafts).attach(), [viewport]);
  const drop = (event: DragEvent): void => {
    const id = event.dataTransfer?.getData("application/x-stack");
    const stack = session.stacks.value.find((s) => s.id === id);
    if (!stack) return;
    event.preventDefault();
    session.showStack(viewport, stack);
    session.activeId.value = viewport.id;
  };
  const active = session.active.value === viewport && session.viewports.value.length > 1;
  const source = viewport.source.value;
  const tool = session.tool.value;
  return (
    <div
      ref={element}
      class={`pane ${active ? "active" : ""} tool-${tool}`}
      data-pane={viewport.id}
      role="group"
      aria-label={label(viewport)}
      onDragOver={(event) => event.dataTransfer?.types.includes("application/x-stack") && event.preventDefault()}
      onDrop={drop}
    >
      {source?.kind === "document" && <DocumentView document={source.document} />}
      <Planes viewport={viewport} />
      <Segments viewport={viewport} />
      <Overlay viewport={viewport} />
      <Corners viewport={viewport} />
      <State viewport={viewport} />
      <Scrollbar viewport={viewport} />
      <Magnifier viewport={viewport} />
      {source?.kind === "stack" && (source.stack.frameTime || viewport.playing.value > 0) && (
        <button type="button" class="cine-button" aria-label={t("cine.toggle")} onClick={() => togglePlay(viewport)}>
          <Icon name={viewport.playing.value > 0 ? "pause" : "play"} size={28} />
        </button>
      )}
    </div>
  );
}

function label(viewport: Viewport): string {
  const source = viewport.source.value;
  if (!source) return t("pane.empty");
  const { at, count } = viewport.range.value;
  if (source.kind === "stack") return `${source.stack.modality} ${source.stack.description} ${source.stack.view} ${at + 1} / ${count}`;
  if (source.kind === "document") return source.document.description;
  return source.kind === "mpr" ? t(`mpr.${source.view}`) : t("volume.title");
}

/** Why there is no picture: nothing chosen, on its way, or an error with its reason; the server's picture instead. */
function State({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session } = useReading();
  const source = viewport.source.value;
  if (!source) {
    const studies = session.studies.value;
    if (studies.some((s) => s.loading > 0))
      return (
        <div class="pane-state">
          <span class="spinner" role="status" aria-label={t("state.loading")} />
        </div>
      );
    const failed = studies.find((s) => s.failed);
    const nothing = session.stacks.value.length + session.documents.value.length === 0;
    if (!nothing || (studies.length > 0 && !failed)) return <div class="pane-state">{t("pane.empty")}</div>;
    return (
      <div class="pane-state" role="alert">
        <strong>{studies.length === 0 ? t("reading.noStudy") : failed?.failed === "empty" ? t("state.empty") : t("common.error", { reason: failed?.failed ?? "" })}</strong>
        <a class="button" href="./">
          {t("action.worklist")}
        </a>
      </div>
    );
  }
  const trouble = viewport.trouble.value;
  const frame = viewport.frame.value;
  if (trouble && !frame)
    return (
      <div class="pane-state error" role="alert">
        <strong>{t("state.undrawable")}</strong>
        <span>{trouble}</span>
      </div>
    );
  if (!frame) return null;
  const failure = viewport.failure.value;
  if (trouble) return <Rendered key={frame.id} viewport={viewport} frame={frame} title={t("state.undrawable")} reason={trouble} />;
  if (failure) return <Rendered key={frame.id} viewport={viewport} frame={frame} title={t("state.undecodable")} reason={failure} retry={() => session.store.retry(frame)} />;
  const pixels = viewport.pixels.value;
  if (pixels && pixels.reduced > 1) return <div class="preview-mark">{t("state.preview", { part: pixels.reduced })}</div>;
  if (pixels) return null;
  return (
    <div class="pane-state">
      <span class="spinner" role="status" aria-label={t("state.loading")} />
    </div>
  );
}

/** Where in the stack the pane is, and which images are there already. */
function Scrollbar({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session } = useReading();
  const canvas = useRef<HTMLCanvasElement>(null);
  useSignalEffect(() => {
    const frames = viewport.stack.value?.frames;
    const element = canvas.current;
    const { height } = viewport.rect.value;
    if (!element || !frames || frames.length < 2) return;
    void session.store.changed(frames[0]!.series).value;
    const tall = Math.max(Math.round(height), 1);
    element.width = 1;
    element.height = tall;
    const context = element.getContext("2d")!;
    const held = frames.map((frame) => (session.store.failure(frame) ? "#d9534f" : session.store.has(frame) ? "#3b7d9b" : session.store.shown(frame) ? "#33505e" : undefined));
    for (let y = 0; y < tall; y++) {
      const colour = held[Math.floor((y / tall) * frames.length)];
      if (!colour) continue;
      context.fillStyle = colour;
      context.fillRect(0, y, 1, 1);
    }
  });
  const { at, count } = viewport.range.value;
  if (count < 2) return null;
  return (
    <div class="scrollbar" aria-hidden="true">
      {viewport.source.value?.kind === "stack" && <canvas ref={canvas} />}
      <div class="thumb" style={{ top: `${(at / (count - 1)) * 100}%` }} />
    </div>
  );
}

const LENS = 200;
const POWER = 2.5;

function Magnifier({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { drafts, painter } = useReading();
  const canvas = useRef<HTMLCanvasElement>(null);
  const magnifier = drafts.magnifier.value;
  const here = magnifier?.viewport === viewport ? magnifier : undefined;
  useEffect(() => {
    const stage = painter.current;
    const element = canvas.current;
    if (!here || !stage || !element) return;
    const { ratio } = stage;
    const side = Math.round(LENS * ratio);
    element.width = element.height = side;
    const rect = viewport.rect.peek();
    const part = (LENS / POWER) * ratio;
    element.getContext("2d")!.drawImage(
      stage.canvas,
      (rect.x + here.at[0]) * ratio - part / 2,
      (rect.y + here.at[1]) * ratio - part / 2,
      part,
      part,
      0,
      0,
      side,
      side,
    );
  });
  if (!here) return null;
  return <canvas class="lens" ref={canvas} style={{ left: `${here.at[0] - LENS / 2}px`, top: `${here.at[1] - LENS / 2}px` }} />;
}
