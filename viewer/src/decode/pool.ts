// The decode workers of a page. Jobs go to the worker that has the fewest.

import type { FetchFrames, FromWorker, ToWorker } from "./messages";

export interface JobEvents {
  frame(message: Extract<FromWorker, { kind: "frame" }>): void;
  failed(message: Extract<FromWorker, { kind: "failed" }>): void;
  done(): void;
}

interface Slot {
  readonly worker: Worker;
  readonly jobs: Map<number, JobEvents>;
}

export class DecodePool {
  private readonly slots: Slot[] = [];
  private nextJob = 1;

  constructor(private readonly size = poolSize()) {}

  start(request: Omit<FetchFrames, "kind" | "job">, events: JobEvents): () => void {
    const slot = this.leastBusy();
    const job = this.nextJob++;
    slot.jobs.set(job, events);
    this.say(slot, { kind: "fetch", job, ...request });
    return () => this.say(slot, { kind: "cancel", job });
  }

  /** How many jobs keep every worker fed: one decoding, others on the wire. */
  get width(): number {
    return Math.max(this.size * 3, 6);
  }

  private leastBusy(): Slot {
    const idle = this.slots.find((slot) => slot.jobs.size === 0);
    if (idle) return idle;
    if (this.slots.length < this.size) return this.open();
    return this.slots.reduce((a, b) => (b.jobs.size < a.jobs.size ? b : a));
  }

  private open(): Slot {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    const slot: Slot = { worker, jobs: new Map() };
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      const events = slot.jobs.get(data.job);
      if (data.kind === "frame") events?.frame(data);
      else if (data.kind === "failed") events?.failed(data);
      else {
        slot.jobs.delete(data.job);
        events?.done();
      }
    };
    // A worker that dies (out of memory, script not loaded) ends its jobs; the next one gets a new worker.
    worker.onerror = () => {
      this.slots.splice(this.slots.indexOf(slot), 1);
      worker.terminate();
      for (const events of slot.jobs.values()) events.done();
    };
    this.slots.push(slot);
    return slot;
  }

  private say(slot: Slot, message: ToWorker): void {
    slot.worker.postMessage(message);
  }
}

const poolSize = (): number => Math.min(Math.max((navigator.hardwareConcurrency || 2) - 1, 2), 6);
