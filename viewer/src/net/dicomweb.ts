// The DICOMweb client: QIDO-RS, metadata, bulk data, STOW-RS, delete. Frames are fetched in the
// decode workers (decode/worker.ts), so that their bytes never pass through this thread.

import type { Dataset } from "../dicom/json";
import { instancePath, root, seriesPath } from "./address";
import { problemText } from "./problems";
import { fetchSignedIn } from "./rest";
import { boundaryOf, parts } from "./multipart";

export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly url: string,
    detail: string,
  ) {
    super(`${status} ${detail}`.trim());
  }
}

const JSON_TYPE = "application/dicom+json";

export async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const body = await response.text().catch(() => "");
  let problem: Readonly<Record<string, unknown>>;
  try {
    problem = JSON.parse(body) as Readonly<Record<string, unknown>>;
  } catch {
    // not problem+json: the text itself
    problem = { detail: body.slice(0, 200) || response.statusText };
  }
  throw new HttpError(response.status, response.url, problemText(response.status, problem));
}

export interface Found {
  readonly rows: Dataset[];
  readonly total?: number; // of all matches, when the server says so
  readonly next?: string; // cursor of what the limit left out, as the server's Link has it
}

export async function search(
  path: string,
  query: Iterable<readonly [string, string]>,
  signal?: AbortSignal,
): Promise<Found> {
  const parameters = new URLSearchParams();
  for (const [name, value] of query) parameters.append(name, value);
  const response = await checked(
    await fetchSignedIn(`${root()}${path}?${parameters}`, { headers: { Accept: JSON_TYPE }, signal }),
  );
  const total = Number(response.headers.get("X-Total-Count") ?? NaN);
  const rows = response.status === 204 ? [] : ((await response.json()) as Dataset[]);
  const next = response.headers.get("Link")?.match(/<([^>]*)>;\s*rel="?next"?/)?.[1];
  const cursor = next && new URL(next, response.url).searchParams.get("cursor");
  return { rows, total: Number.isFinite(total) ? total : undefined, next: cursor || undefined };
}

/** Of a series, or of one of its instances. */
export async function metadata(study: string, series: string, signal?: AbortSignal, instance?: string): Promise<Dataset[]> {
  const path = instance === undefined ? seriesPath(study, series) : instancePath(study, series, instance);
  const url = `${root()}${path}/metadata`;
  const response = await checked(await fetchSignedIn(url, { headers: { Accept: JSON_TYPE }, signal }));
  return (await response.json()) as Dataset[];
}

/** A bulk data value as bytes; a multipart answer gives its first part. */
export async function bulk(uri: string, type = "application/octet-stream"): Promise<Uint8Array> {
  const url = new URL(uri, `${root()}/`).href;
  const accept = `multipart/related; type="${type}", ${type}, */*`;
  return firstBody(await checked(await fetchSignedIn(url, { headers: { Accept: accept } })));
}

/** An instance as its DICOM file. */
export async function file(study: string, series: string, instance: string): Promise<Uint8Array> {
  const url = `${root()}${instancePath(study, series, instance)}`;
  const accept = 'multipart/related; type="application/dicom"';
  return firstBody(await checked(await fetchSignedIn(url, { headers: { Accept: accept } })));
}

async function firstBody(response: Response): Promise<Uint8Array> {
  const contentType = response.headers.get("Content-Type") ?? "";
  const boundary = contentType.startsWith("multipart/") ? boundaryOf(contentType) : undefined;
  if (!boundary || !response.body) return new Uint8Array(await response.arrayBuffer());
  for await (const part of parts(response.body, boundary)) return part.body;
  throw new Error(`${response.url} answered without a part`);
}

export async function remove(path: string): Promise<void> {
  await checked(await fetchSignedIn(`${root()}${path}`, { method: "DELETE" }));
}

export interface StoreProgress {
  (sentBytes: number, totalBytes: number): void;
}

/** STOW-RS. Resolves with the server's answer for 200, 202 and 409, which all carry one. */
export function store(
  files: readonly (Blob | Uint8Array<ArrayBuffer>)[],
  options: { progress?: StoreProgress; signal?: AbortSignal } = {},
): Promise<{ status: number; answer: Dataset }> {
  const boundary = `part-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
  const body = new Blob([
    ...files.flatMap((content): BlobPart[] => [
      `\r\n--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`,
      content,
    ]),
    `\r\n--${boundary}--\r\n`,
  ]);
  // fetch() cannot report the progress of an upload; XMLHttpRequest can.
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${root()}/studies`);
    request.setRequestHeader("Content-Type", `multipart/related; type="application/dicom"; boundary=${boundary}`);
    request.setRequestHeader("Accept", JSON_TYPE);
    request.upload.onprogress = (event) => options.progress?.(event.loaded, event.total);
    request.onload = () => {
      try {
        const answer = JSON.parse(request.responseText) as Dataset | Dataset[];
        resolve({ status: request.status, answer: Array.isArray(answer) ? answer[0]! : answer });
      } catch {
        reject(new HttpError(request.status, request.responseURL, request.statusText));
      }
    };
    request.onerror = () => reject(new Error("no connection to the server"));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    options.signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}
