// The workers of a page: some that decode, jobs going to the one that has the fewest, and one that
// takes streams apart, so that decoding never holds up what arrives.

import openjphUrl from "@cornerstonejs/codec-openjph/wasm?url";
import type { DecodeFrames, FetchFrames, FromWorker, Job, StreamFrames, ToWorker } from "./messages";

type Of<K extends FromWorker["kind"]> = Extract<FromWorker, { kind: K }>;

export interface JobEvents {
  frame?(message: Of<"frame">): void;
  failed?(message: Of<"failed">): void;
  parts?(message: Of<"parts">): void;
  done(reason?: string): void;
}

/** A job under way. */
export interface Handle {
  cancel(): void;
  /** Whether a stream goes on reading: its sender waits while it does not. */
  flow(open: boolean): void;
}

interface Slot {
  readonly worker: Worker;
  readonly jobs: Map<number, JobEvents>;
}

type Sent<J extends Job> = Omit<J, "kind" | "job">;

export class DecodePool {
  readonly size = Math.min(Math.max((navigator.hardwareConcurrency || 2) - 1, 2), 6);
  private readonly slots: Slot[] = [];
  private streamer: Slot | undefined;
  private nextJob = 1;
  /** When the codec of most frames has been compiled: who asks a worker sooner has it compile another. */
  compiled: Promise<void> | undefined;
  private openjph: WebAssembly.Module | undefined;

  /** Starts a worker, and compiles the codec that the archive keeps most frames for. */
  warm(): void {
    // Without WebAssembly the server decodes, and sends samples as they are.
    if (typeof WebAssembly !== "undefined")
      this.compiled ??= WebAssembly.compileStreaming(fetch(openjphUrl)).then(
        (openjph) => {
          this.openjph = openjph;
          for (const { worker } of this.slots) worker.postMessage({ kind: "warm", openjph } satisfies ToWorker);
        },
        () => undefined, // a worker then loads it itself, and says what is wrong
      );
    // One is enough for the first image, which the start of others would hold up.
    if (this.slots.length === 0) this.slots.push(this.open(true));
  }

  fetch(request: Sent<FetchFrames>, events: JobEvents): Handle {
    return this.start(this.leastBusy(), { kind: "fetch", job: this.nextJob++, ...request }, events);
  }

  decode(request: Sent<DecodeFrames>, events: JobEvents, transfer: Transferable[]): Handle {
    return this.start(this.leastBusy(), { kind: "decode", job: this.nextJob++, ...request }, events, transfer);
  }

  stream(request: Sent<StreamFrames>, events: JobEvents): Handle {
    this.streamer ??= this.open(false);
    return this.start(this.streamer, { kind: "stream", job: this.nextJob++, ...request }, events);
  }

  private start(slot: Slot, job: Job, events: JobEvents, transfer: Transferable[] = []): Handle {
    slot.jobs.set(job.job, events);
    const say = (message: ToWorker, moved: Transferable[] = []): void => slot.worker.postMessage(message, moved);
    say(job, transfer);
    return {
      cancel: () => say({ kind: "cancel", job: job.job }),
      flow: (open) => say({ kind: "flow", job: job.job, open }),
    };
  }

  private leastBusy(): Slot {
    const idle = this.slots.find(({ jobs }) => jobs.size === 0);
    if (!idle && this.slots.length < this.size) this.slots.push(this.open(true));
    return idle ?? this.slots.reduce((a, b) => (b.jobs.size < a.jobs.size ? b : a));
  }

  private open(decodes: boolean): Slot {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const slot: Slot = { worker, jobs: new Map() };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      const events = slot.jobs.get(data.job);
      if (data.kind !== "done") return events?.[data.kind]?.(data as never);
      slot.jobs.delete(data.job);
      events?.done(data.reason);
    };
    // A worker that dies (out of memory, script not loaded) ends its jobs; the next one gets a new worker.
    worker.onerror = () => {
      if (slot === this.streamer) this.streamer = undefined;
      else this.slots.splice(this.slots.indexOf(slot), 1);
      worker.terminate();
      for (const events of slot.jobs.values()) events.done("the decoder stopped");
    };
    if (decodes && this.openjph) worker.postMessage({ kind: "warm", openjph: this.openjph } satisfies ToWorker);
    return slot;
  }
}
