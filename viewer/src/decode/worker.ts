// A decode worker: fetches frames, decodes them, hands the pixels over without a copy.

import { boundaryOf, parameterOf, parts } from "../net/multipart";
import { decodeFrame, EXPLICIT_LITTLE_ENDIAN, type FrameFormat } from "./frame";
import type { FetchFrames, FromWorker, ToWorker } from "./messages";

const running = new Map<number, AbortController>();
const scope = self as unknown as DedicatedWorkerGlobalScope;

scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "cancel") running.get(data.job)?.abort();
  else void fetchFrames(data);
};

const say = (message: FromWorker, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);

async function fetchFrames(job: FetchFrames): Promise<void> {
  const control = new AbortController();
  running.set(job.job, control);
  const waiting = [...job.numbers];
  const failed: { number: number; reason: unknown }[] = [];
  try {
    for await (const frame of retrieve(job, job.numbers, "*", control.signal)) {
      const number = waiting.shift();
      if (number === undefined) break;
      try {
        await give(job, number, frame.bytes, frame.transferSyntax, job.format);
      } catch (reason) {
        failed.push({ number, reason });
      }
    }
    for (const number of waiting.splice(0)) failed.push({ number, reason: new Error("the server sent no such frame") });
    for (const { number, reason } of failed) await decodedByServer(job, number, reason, control.signal);
  } catch (error) {
    if (!control.signal.aborted)
      for (const number of [...waiting, ...failed.map((f) => f.number)])
        say({ kind: "failed", job: job.job, number, reason: reasonOf(error) });
  } finally {
    running.delete(job.job);
    say({ kind: "done", job: job.job });
  }
}

async function give(
  job: FetchFrames,
  number: number,
  bytes: Uint8Array,
  transferSyntax: string,
  format: FrameFormat,
): Promise<void> {
  const pixels = await decodeFrame(bytes as Uint8Array<ArrayBuffer>, transferSyntax, format);
  say({ kind: "frame", job: job.job, number, pixels, bytes: bytes.length }, [pixels.values.buffer]);
}

/** What no codec here decodes, the server may: it then sends native samples, colour as RGB. */
async function decodedByServer(job: FetchFrames, number: number, reason: unknown, signal: AbortSignal): Promise<void> {
  try {
    const format = job.format.samples === 3 ? { ...job.format, photometric: "RGB", planar: false } : job.format;
    let given = false;
    for await (const frame of retrieve(job, [number], EXPLICIT_LITTLE_ENDIAN, signal)) {
      if (!given) await give(job, number, frame.bytes, frame.transferSyntax, format);
      given = true;
    }
    if (!given) throw reason;
  } catch {
    if (!signal.aborted) say({ kind: "failed", job: job.job, number, reason: reasonOf(reason) });
  }
}

async function* retrieve(
  job: FetchFrames,
  numbers: readonly number[],
  transferSyntax: string,
  signal: AbortSignal,
): AsyncGenerator<{ bytes: Uint8Array; transferSyntax: string }> {
  const accept = `multipart/related; type="application/octet-stream"; transfer-syntax=${transferSyntax}`;
  const response = await fetch(`${job.url}/${numbers.join(",")}`, {
    headers: { ...job.headers, Accept: accept },
    signal,
  });
  if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`);
  const contentType = response.headers.get("Content-Type") ?? "";
  const boundary = boundaryOf(contentType);
  if (!boundary || !response.body) {
    yield { bytes: new Uint8Array(await response.arrayBuffer()), transferSyntax: syntaxOf(contentType) };
    return;
  }
  for await (const part of parts(response.body, boundary))
    yield { bytes: part.body, transferSyntax: syntaxOf(part.headers.get("content-type") ?? "") };
}

const BY_MEDIA_TYPE: Readonly<Record<string, string>> = {
  "image/jpeg": "1.2.840.10008.1.2.4.50",
  "image/jls": "1.2.840.10008.1.2.4.80",
  "image/jp2": "1.2.840.10008.1.2.4.90",
  "image/jphc": "1.2.840.10008.1.2.4.201",
  "image/dicom-rle": "1.2.840.10008.1.2.5",
};

/** PS3.18 §8.7.3.5: the parameter when there is one, else the media type's default. */
function syntaxOf(contentType: string): string {
  const named = parameterOf(contentType, "transfer-syntax");
  if (named) return named;
  return BY_MEDIA_TYPE[contentType.split(";")[0]!.trim().toLowerCase()] ?? EXPLICIT_LITTLE_ENDIAN;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
