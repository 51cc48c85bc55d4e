// Files and folders to the archive by STOW-RS, a few at a time, with a result for each.

import { signal } from "@preact/signals";
import { item, items, number, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { t } from "../i18n";
import { store, type StoreProgress } from "../net/dicomweb";
import { reasonOf } from "../ui/notices";

export interface Uploaded {
  readonly name: string;
  readonly failure?: string;
}

export interface Upload {
  readonly total: number;
  readonly totalBytes: number;
  readonly sentBytes: number; // of files that have a result, and of those under way
  readonly results: readonly Uploaded[];
  readonly paused: boolean;
  readonly running: boolean;
}

export const upload = signal<Upload | undefined>(undefined);

const BATCH_FILES = 20;
const BATCH_BYTES = 32 * 2 ** 20;
let waiting: File[] = [];
let resume: (() => void) | undefined;
let request: AbortController | undefined;

const patch = (change: Partial<Upload>): void => {
  if (upload.value) upload.value = { ...upload.value, ...change };
};

/** Pausing lets the request under way end. */
export function togglePause(): void {
  const state = upload.value;
  if (!state) return;
  patch({ paused: !state.paused });
  if (state.paused) resume?.();
}

/** What has not been sent is not sent; what is stored stays. */
export function stop(): void {
  waiting = [];
  request?.abort();
  patch({ paused: false });
  resume?.();
}

const bytesOf = (files: readonly File[]): number => files.reduce((sum, file) => sum + file.size, 0);

export async function start(files: readonly File[], stored: () => void): Promise<void> {
  if (files.length === 0) return;
  waiting.push(...files);
  const before = upload.value;
  if (before?.running) return patch({ total: before.total + files.length, totalBytes: before.totalBytes + bytesOf(files) });
  upload.value = { total: files.length, totalBytes: bytesOf(files), sentBytes: 0, results: [], paused: false, running: true };
  let done = 0;
  while (waiting.length > 0) {
    if (upload.value.paused) await new Promise<void>((go) => (resume = go));
    const next = batch();
    if (next.length === 0) break;
    const whole = done;
    const results = await send(next, (sent, all) => patch({ sentBytes: whole + (all > 0 ? sent / all : 1) * bytesOf(next) }));
    done += bytesOf(next);
    patch({ results: [...upload.value.results, ...results], sentBytes: done });
  }
  patch({ running: false });
  stored();
}

function batch(): File[] {
  const out: File[] = [];
  let bytes = 0;
  while (waiting.length > 0 && out.length < BATCH_FILES && (out.length === 0 || bytes + waiting[0]!.size < BATCH_BYTES)) {
    const file = waiting.shift()!;
    bytes += file.size;
    out.push(file);
  }
  return out;
}

async function isDicom(file: File): Promise<boolean> {
  const bytes = new Uint8Array(await file.slice(128, 132).arrayBuffer());
  return String.fromCharCode(...bytes) === "DICM";
}

async function send(files: readonly File[], progress: StoreProgress): Promise<Uploaded[]> {
  const checked = await Promise.all(files.map(async (file) => ({ file, dicom: await isDicom(file) })));
  const results: Uploaded[] = checked.filter((c) => !c.dicom).map((c) => ({ name: pathOf(c.file), failure: t("upload.notDicom") }));
  const parts = checked.filter((c) => c.dicom).map((c) => c.file);
  if (parts.length === 0) return results;
  request = new AbortController();
  const { signal } = request;
  try {
    const { answer } = await store(parts, { progress, signal });
    // The answer names instances, not files: with one file the match is certain, with more only
    // when all went well. What failed in a batch is sent again one by one.
    const failed = items(answer, Tag.FailedSOPSequence);
    if (failed.length === 0) return [...results, ...parts.map((file) => ({ name: pathOf(file) }))];
    if (parts.length === 1) return [...results, { name: pathOf(parts[0]!), failure: reason(failed[0]!) }];
  } catch (error) {
    if (signal.aborted) return [...results, ...parts.map((file) => ({ name: pathOf(file), failure: t("upload.stopped") }))];
    if (parts.length === 1) return [...results, { name: pathOf(parts[0]!), failure: reasonOf(error) }];
  }
  for (const file of parts) results.push(...(await send([file], () => undefined)));
  return results;
}

function reason(failed: Dataset): string {
  const comment = text(failed, "00000902") ?? text(item(failed, "00741007") ?? {}, "00000902");
  const code = number(failed, Tag.FailureReason);
  return [t("upload.refused"), code !== undefined && `0x${code.toString(16).toUpperCase()}`, comment].filter(Boolean).join(" ");
}

const pathOf = (file: File): string => (file as File & { path?: string }).path ?? (file.webkitRelativePath || file.name);

/** Every file of what was dropped, folders walked through. */
export async function dropped(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].map((i) => i.webkitGetAsEntry()).filter((e): e is FileSystemEntry => e !== null);
  const files: File[] = [];
  const walk = async (entry: FileSystemEntry): Promise<void> => {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      Object.assign(file, { path: entry.fullPath.replace(/^\//, "") });
      files.push(file);
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const child of some) await walk(child);
    }
  };
  for (const entry of entries) await walk(entry);
  return files;
}
