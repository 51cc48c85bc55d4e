// A worker of the page: fetches frames, takes streams apart, decodes. Pixels and codestreams are
// handed over without a copy.

import { boundaryOf, parts, type Part } from "../net/multipart";
import { useCompiled } from "./codecs";
import { decodeFrame, type FrameFormat } from "./frame";
import type { DecodeFrames, Encoded, FetchFrames, FromWorker, StreamFrames, ToWorker } from "./messages";
import { encoded, EXPLICIT_LITTLE_ENDIAN, subjectOf } from "./parts";

interface Running {
  readonly control: AbortController;
  open: boolean;
  go?: () => void;
}

/** Parts of a stream go to the page together, so many bytes or so many milliseconds at a time. */
const BATCH_BYTES = 256 * 1024;
const BATCH_MS = 12;

const running = new Map<number, Running>();
const scope = self as unknown as DedicatedWorkerGlobalScope;
const work = { fetch: fetchFrames, decode: decodeFrames, stream: streamFrames };

scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.kind) {
    case "warm":
      return useCompiled(data.openjph);
    case "cancel":
      return running.get(data.job)?.control.abort();
    case "flow": {
      const state = running.get(data.job);
      if (!state) return;
      state.open = data.open;
      if (data.open) state.go?.();
      return;
    }
    default:
      void run(data);
  }
};

const say = (message: FromWorker, transfer: Transferable[] = []): void => scope.postMessage(message, transfer);

async function run(job: FetchFrames | DecodeFrames | StreamFrames): Promise<void> {
  const state: Running = { control: new AbortController(), open: true };
  running.set(job.job, state);
  let reason: string | undefined;
  try {
    await work[job.kind](job as never, state);
  } catch (error) {
    reason = reasonOf(error);
  }
  running.delete(job.job);
  say({ kind: "done", job: job.job, reason });
}

async function fetchFrames(job: FetchFrames, { control: { signal } }: Running): Promise<void> {
  const waiting = job.numbers.map((number) => `${job.instance}/${number}`);
  const query = job.reduced > 1 ? `?resolution=${job.reduced}` : "";
  const failed: { id: string; reason: unknown }[] = [];
  try {
    for await (const part of retrieve(`${job.url}/frames/${job.numbers.join(",")}${query}`, "*", signal)) {
      const id = waiting.shift();
      if (id === undefined) break;
      try {
        await give(job.job, { ...encoded(part), id }, job.reduced, job.format);
      } catch (reason) {
        failed.push({ id, reason });
      }
    }
    for (const id of waiting.splice(0)) failed.push({ id, reason: new Error("the server sent no such frame") });
  } catch (error) {
    if (signal.aborted) return;
    for (const id of waiting) say({ kind: "failed", job: job.job, id, reason: reasonOf(error) });
  }
  for (const { id, reason } of failed) await decodedByServer(job, job.url, id, reason, signal);
}

async function decodeFrames(job: DecodeFrames, { control: { signal } }: Running): Promise<void> {
  for (const frame of job.frames) {
    try {
      await give(job.job, frame, job.reduced, job.format);
    } catch (reason) {
      // A preview that cannot be made is no loss: the whole frame says what is wrong.
      if (!frame.prefix) await decodedByServer(job, frame.url, frame.id, reason, signal);
    }
  }
}

async function streamFrames(job: StreamFrames, state: Running): Promise<void> {
  const counted = new Map<string, number>();
  let batch: Encoded[] = [];
  let size = 0;
  let since = performance.now();
  const flush = (): void => {
    if (batch.length > 0) say({ kind: "parts", job: job.job, parts: batch }, batch.map(({ bytes }) => bytes.buffer));
    batch = [];
    size = 0;
    since = performance.now();
  };
  for await (const part of retrieve(job.url, "*", state.control.signal)) {
    const id = idOf(part, counted);
    if (id) {
      batch.push({ ...encoded(part), id });
      size += part.body.length;
    }
    if (size >= BATCH_BYTES || performance.now() - since > BATCH_MS) flush();
    if (!state.open) {
      flush();
      await new Promise<void>((go) => (state.go = go));
    }
  }
  flush();
}

/** Of a frame, or of a value, whose frames are counted. */
function idOf(part: Part, counted: Map<string, number>): string | undefined {
  const { instance, frame } = subjectOf(part);
  if (!instance) return undefined;
  if (frame) return `${instance}/${frame}`;
  const next = (counted.get(instance) ?? 0) + 1;
  counted.set(instance, next);
  return `${instance}/${next}`;
}

async function give(job: number, frame: Encoded, reduced: number, format: FrameFormat): Promise<void> {
  const bytes = frame.bytes.length;
  const pixels = await decodeFrame(frame.bytes, frame.transferSyntax, format, frame.prefix ? reduced : 1);
  say({ kind: "frame", job, id: frame.id, pixels, bytes }, [pixels.values.buffer]);
}

/** What no codec here decodes, the server may: it then sends native samples, colour as RGB. */
async function decodedByServer(
  { job, format }: { job: number; format: FrameFormat },
  url: string,
  id: string,
  reason: unknown,
  signal: AbortSignal,
): Promise<void> {
  try {
    const native = format.samples === 3 ? { ...format, photometric: "RGB", planar: false } : format;
    const number = id.slice(id.lastIndexOf("/") + 1);
    let given = false;
    for await (const part of retrieve(`${url}/frames/${number}`, EXPLICIT_LITTLE_ENDIAN, signal)) {
      if (!given) await give(job, { ...encoded(part), id }, 1, native);
      given = true;
    }
    if (!given) throw reason;
  } catch {
    if (!signal.aborted) say({ kind: "failed", job, id, reason: reasonOf(reason) });
  }
}

async function* retrieve(url: string, transferSyntax: string, signal: AbortSignal): AsyncGenerator<Part> {
  const accept = `multipart/related; type="application/octet-stream"; transfer-syntax=${transferSyntax}`;
  const response = await fetch(url, { headers: { Accept: accept }, signal });
  if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`);
  const contentType = response.headers.get("Content-Type") ?? "";
  const boundary = boundaryOf(contentType);
  if (boundary && response.body) yield* parts(response.body, boundary);
  else yield { headers: new Map([["content-type", contentType]]), body: new Uint8Array(await response.arrayBuffer()) };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
