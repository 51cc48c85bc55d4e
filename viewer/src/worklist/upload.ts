// Files and folders to the archive by STOW-RS, a few at a time, with a result for each.

import { signal } from "@preact/signals";
import { item, items, number, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { t } from "../i18n";
import { store } from "../net/dicomweb";

export interface Uploaded {
  readonly name: string;
  readonly failure?: string;
}

export interface Upload {
  readonly total: number;
  readonly results: readonly Uploaded[];
  readonly paused: boolean;
  readonly running: boolean;
}

export const upload = signal<Upload | undefined>(undefined);

const BATCH_FILES = 20;
const BATCH_BYTES = 32 * 2 ** 20;
let waiting: File[] = [];
let resume: (() => void) | undefined;

export function togglePause(): void {
  const state = upload.value;
  if (!state) return;
  upload.value = { ...state, paused: !state.paused };
  if (state.paused) resume?.();
}

export async function start(files: readonly File[], stored: () => void): Promise<void> {
  waiting.push(...files);
  const before = upload.value;
  if (before?.running) {
    upload.value = { ...before, total: before.total + files.length };
    return;
  }
  upload.value = { total: files.length, results: [], paused: false, running: true };
  while (waiting.length > 0) {
    if (upload.value.paused) await new Promise<void>((go) => (resume = go));
    const results = await send(batch());
    upload.value = { ...upload.value, results: [...upload.value.results, ...results] };
  }
  upload.value = { ...upload.value, running: false };
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

async function send(files: readonly File[]): Promise<Uploaded[]> {
  const checked = await Promise.all(files.map(async (file) => ({ file, dicom: await isDicom(file) })));
  const results: Uploaded[] = checked.filter((c) => !c.dicom).map((c) => ({ name: pathOf(c.file), failure: t("upload.notDicom") }));
  const parts = checked.filter((c) => c.dicom).map((c) => c.file);
  if (parts.length === 0) return results;
  try {
    const { answer } = await store(parts);
    // The answer names instances, not files: with one file the match is certain, with more only
    // when all went well. What failed in a batch is sent again one by one.
    const failed = items(answer, Tag.FailedSOPSequence);
    if (failed.length === 0) return [...results, ...parts.map((file) => ({ name: pathOf(file) }))];
    if (parts.length === 1) return [...results, { name: pathOf(parts[0]!), failure: reason(failed[0]!) }];
  } catch (error) {
    if (parts.length === 1) return [...results, { name: pathOf(parts[0]!), failure: error instanceof Error ? error.message : String(error) }];
  }
  for (const file of parts) results.push(...(await send([file])));
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
