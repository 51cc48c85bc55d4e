// Files and folders chosen or dropped, and what became of each.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { formatBytes, t } from "../i18n";
import { may } from "../access/session";
import { IconButton } from "../ui/controls";
import { Icon } from "../ui/icons";
import { forgetPriors } from "./priors";
import { firstPage } from "./state";
import { dropped, start, stop, togglePause, upload } from "./upload";

const LISTED = 300; // files with a result of their own on the page; what failed comes first

const dragging = signal(false);

const send = (files: readonly File[]): void =>
  void start(files, () => {
    forgetPriors();
    void firstPage();
  });

export function UploadButtons(): JSX.Element | null {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const chosen = (input: HTMLInputElement): void => {
    send([...(input.files ?? [])]);
    input.value = "";
  };
  if (!may("store")) return null;
  return (
    <>
      <IconButton icon="upload" label={t("upload.files")} caption onClick={() => files.current?.click()} />
      <IconButton icon="folder" label={t("upload.folder")} onClick={() => folder.current?.click()} />
      <input ref={files} type="file" multiple hidden onChange={(event) => chosen(event.currentTarget)} />
      <input ref={folder} type="file" hidden {...{ webkitdirectory: true }} onChange={(event) => chosen(event.currentTarget)} />
    </>
  );
}

export function UploadPanel(): JSX.Element | null {
  const state = upload.value;
  if (!state) return null;
  const failed = state.results.filter((r) => r.failure);
  const stored = state.results.filter((r) => !r.failure);
  const listed = [...failed, ...stored].slice(0, LISTED);
  return (
    <section class="upload" aria-label={t("upload.title")}>
      <header>
        <b role="status">
          {state.running
            ? t(state.paused ? "upload.paused" : "upload.progress", { done: state.results.length, total: state.total })
            : t("upload.done", { stored: stored.length, failed: failed.length })}
        </b>
        <span class="quiet">{t("upload.bytes", { sent: formatBytes(state.sentBytes), all: formatBytes(state.totalBytes) })}</span>
        <span class="upload-actions">
          {state.running ? (
            <>
              <button type="button" class="button" onClick={togglePause}>
                {t(state.paused ? "upload.resume" : "upload.pause")}
              </button>
              <button type="button" class="button" onClick={stop}>
                {t("action.cancel")}
              </button>
            </>
          ) : (
            <IconButton icon="close" label={t("action.close")} onClick={() => (upload.value = undefined)} />
          )}
        </span>
      </header>
      <progress max={Math.max(state.totalBytes, 1)} value={state.sentBytes} aria-label={t("upload.title")} />
      {listed.length > 0 && (
        <ul tabIndex={0} aria-label={t("upload.results")}>
          {listed.map((file, i) => (
            <li key={i} class={file.failure ? "failed" : ""}>
              <Icon name={file.failure ? "close" : "check"} size={14} />
              <span>{file.name}</span>
              <span class={file.failure ? "error-text" : "quiet"}>{file.failure ?? t("upload.stored")}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function DropTarget(): JSX.Element | null {
  return dragging.value ? <div class="drop-here">{t("upload.drop")}</div> : null;
}

export function listenForDrops(): void {
  const files = (event: DragEvent): boolean => may("store") && (event.dataTransfer?.types.includes("Files") ?? false);
  document.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    dragging.value = true;
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) dragging.value = false;
  });
  document.addEventListener("drop", (event) => {
    if (!files(event) || !event.dataTransfer) return;
    event.preventDefault();
    dragging.value = false;
    void dropped(event.dataTransfer).then(send);
  });
}
