// What the worklist shows: a page of the studies that match, found by cursor, so that the last of a
// million costs what the first does.

import { signal } from "@preact/signals";
import { text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { search } from "../net/dicomweb";
import { reasonOf } from "../ui/notices";
import type { Sort } from "../ui/table";
import { fromAddress, qido, toAddress, type Filters } from "./query";

export const filters = signal<Filters>(fromAddress(location.search));
export const rows = signal<readonly Dataset[]>([]);
export const total = signal<number | undefined>(undefined);
export const loading = signal(false);
export const failed = signal<string | undefined>(undefined);
export const picked = signal<ReadonlySet<string>>(new Set());
export const unfolded = signal<string | undefined>(undefined);
export const sort = signal<Sort | undefined>(undefined);
export const pageSize = signal(Number(localStorage.getItem("worklist.page")) || 50);
/** Cursors of the pages before this one, the first page's left out; and of the one after it. */
export const behind = signal<readonly string[]>([]);
export const ahead = signal<string | undefined>(undefined);

export const uidOf = (row: Dataset): string => text(row, Tag.StudyInstanceUID) ?? "";
export const address = (...uids: string[]): string => `read.html?${uids.map((uid) => `study=${uid}`).join("&")}`;

let request: AbortController | undefined;

/** Loads the page that `cursors` lead to: the last of them is where it begins. */
async function load(cursors: readonly string[]): Promise<void> {
  request?.abort();
  const own = (request = new AbortController());
  loading.value = true;
  failed.value = undefined;
  try {
    const found = await search("/studies", qido(filters.value, { size: pageSize.value, cursor: cursors.at(-1) }, new Date()), own.signal);
    rows.value = found.rows;
    ahead.value = found.next;
    behind.value = cursors;
    if (cursors.length === 0) {
      total.value = found.total ?? (found.next ? undefined : found.rows.length);
      picked.value = new Set();
    }
  } catch (error) {
    if (own.signal.aborted) return;
    failed.value = reasonOf(error);
    rows.value = [];
    ahead.value = undefined;
  }
  if (request === own) loading.value = false;
}

export const reload = (): Promise<void> => load(behind.value);
export const firstPage = (): Promise<void> => load([]);
export const previousPage = (): Promise<void> => load(behind.value.slice(0, -1));
export async function nextPage(): Promise<void> {
  if (ahead.value) await load([...behind.value, ahead.value]);
}

export function setPageSize(size: number): void {
  pageSize.value = size;
  localStorage.setItem("worklist.page", String(size));
  void firstPage();
}

let timer = 0;

/** Changes filters and asks, once nothing more has changed for `wait` milliseconds. */
export function change(part: Partial<Filters>, wait = 250): void {
  filters.value = { ...filters.value, ...part };
  history.replaceState(null, "", toAddress(filters.value));
  window.clearTimeout(timer);
  timer = window.setTimeout(() => void firstPage(), wait);
}

export function pick(uid: string): void {
  const next = new Set(picked.value);
  if (!next.delete(uid)) next.add(uid);
  picked.value = next;
}
