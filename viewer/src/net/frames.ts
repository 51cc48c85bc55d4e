// Frames in memory: fetched nearest first for what is on the screen, evicted farthest first.

import { signal, type Signal } from "@preact/signals";
import { DecodePool } from "../decode/pool";
import type { FrameFormat } from "../decode/frame";
import type { Frame, Palette } from "../dicom/image";
import type { PaletteTable } from "../pixels/color";
import { expandSegments, lutFrom } from "../pixels/lut";
import type { Pixels } from "../pixels/pixels";
import { bulk, instancePath, root } from "./dicomweb";

/** A stack somebody looks at: its frames are wanted from `index` outwards. */
export interface Interest {
  readonly frames: readonly Frame[];
  index: number;
  rank: number; // lower is sooner: 0 the active pane, 1 other panes, 2 thumbnails, 3 prefetch
}

type State = "loading" | "ready" | { failed: string };

interface Held {
  state: State;
  pixels?: Pixels;
  used: number; // tick of the last look
}

export interface Progress {
  readonly ready: number;
  readonly failed: number;
  readonly total: number;
}

/** Frames of one request when an object has many: one round trip, still quick to redirect. */
const FRAMES_A_REQUEST = 8;

export class FrameStore {
  private readonly held = new Map<string, Held>();
  private readonly interests = new Set<Interest>();
  private readonly pool = new DecodePool();
  private running = 0;
  private bytes = 0;
  private tick = 0;
  private pumpQueued = false;
  private readonly palettes = new Map<Palette, Promise<PaletteTable>>();
  private readonly listeners = new Set<(frame: Frame) => void>();
  private readonly changes = new Map<string, Signal<number>>();
  /** Compressed bytes received since the page opened. */
  received = 0;

  constructor(private readonly budget = memoryBudget()) {}

  get(frame: Frame): Pixels | undefined {
    const held = this.held.get(frame.id);
    if (held) held.used = ++this.tick;
    return held?.pixels;
  }

  /** Like get, but does not count as a look. */
  has(frame: Frame): boolean {
    return this.held.get(frame.id)?.pixels !== undefined;
  }

  failure(frame: Frame): string | undefined {
    const state = this.held.get(frame.id)?.state;
    return typeof state === "object" ? state.failed : undefined;
  }

  /** Tells when any frame arrives or fails; returns the way to stop. */
  onChange(listener: (frame: Frame) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  want(interest: Interest): () => void {
    this.interests.add(interest);
    this.pump();
    return () => this.interests.delete(interest);
  }

  /** To be called when an interest's index or rank changed. */
  pump(): void {
    if (this.pumpQueued) return;
    this.pumpQueued = true;
    queueMicrotask(() => {
      this.pumpQueued = false;
      while (this.running < this.pool.width) {
        const batch = this.next();
        if (!batch) return;
        void this.fetch(batch);
      }
    });
  }

  /** A counter that changes with every frame of the series that arrives. */
  changed(series: string): Signal<number> {
    let counter = this.changes.get(series);
    if (!counter) this.changes.set(series, (counter = signal(0)));
    return counter;
  }

  progress(frames: readonly Frame[]): Progress {
    let ready = 0;
    let failed = 0;
    for (const frame of frames) {
      const state = this.held.get(frame.id)?.state;
      if (state === "ready") ready++;
      else if (typeof state === "object") failed++;
    }
    return { ready, failed, total: frames.length };
  }

  retry(frame: Frame): void {
    this.held.delete(frame.id);
    this.pump();
  }

  private next(): Frame[] | undefined {
    let best: { frame: Frame; cost: number; interest: Interest; at: number } | undefined;
    for (const interest of this.interests) {
      const found = nearest(interest, (frame) => !this.held.has(frame.id));
      if (!found) continue;
      // Panes share the link: within a rank the frame nearest to its own pane's middle goes first.
      const cost = interest.rank * 1e6 + found.distance;
      if (!best || cost < best.cost) best = { frame: interest.frames[found.at]!, cost, interest, at: found.at };
    }
    if (!best) return undefined;
    if (this.bytes > this.budget && best.cost % 1e6 > 0 && !this.evict(best.cost)) return undefined;
    const batch = [best.frame];
    const { frames } = best.interest;
    for (let i = best.at + 1; i < frames.length && batch.length < FRAMES_A_REQUEST; i++) {
      const frame = frames[i]!;
      if (frame.instance !== best.frame.instance || this.held.has(frame.id)) break;
      batch.push(frame);
    }
    for (const frame of batch) this.held.set(frame.id, { state: "loading", used: ++this.tick });
    return batch;
  }

  /** Makes room for a frame at `cost`; false when everything held is nearer than that. */
  private evict(cost: number): boolean {
    const keep = new Map<string, number>();
    for (const { frames, index, rank } of this.interests)
      frames.forEach((frame, i) => {
        const value = rank * 1e6 + Math.abs(i - index);
        keep.set(frame.id, Math.min(keep.get(frame.id) ?? Infinity, value));
      });
    const candidates = [...this.held]
      .filter(([, held]) => held.pixels)
      .map(([id, held]) => ({ id, held, worth: keep.get(id) ?? Infinity }))
      .filter(({ worth }) => worth > cost)
      .sort((a, b) => b.worth - a.worth || a.held.used - b.held.used);
    for (const { id, held } of candidates) {
      if (this.bytes <= this.budget * 0.9) break;
      this.bytes -= held.pixels!.values.byteLength;
      this.held.delete(id);
    }
    return this.bytes <= this.budget;
  }

  private async fetch(batch: readonly Frame[]): Promise<void> {
    this.running++;
    const first = batch[0]!;
    const byNumber = new Map(batch.map((frame) => [frame.number, frame]));
    const end = (): void => {
      this.running--;
      for (const frame of byNumber.values()) this.fail(frame, "the decoder stopped");
      this.pump();
    };
    let format: FrameFormat;
    try {
      const palette = first.palette && (await this.palette(first.palette));
      format = { ...first.format, palette, modalityLut: first.modality.lut };
    } catch (error) {
      for (const frame of byNumber.values()) this.fail(frame, `palette: ${String(error)}`);
      byNumber.clear();
      return end();
    }
    const url = `${root()}${instancePath(first.study, first.series, first.instance)}/frames`;
    this.pool.start(
      { url, numbers: batch.map((frame) => frame.number), format, headers: {} },
      {
        frame: ({ number, pixels, bytes }) => {
          const frame = byNumber.get(number);
          if (!frame) return;
          byNumber.delete(number);
          this.received += bytes;
          this.bytes += pixels.values.byteLength;
          this.held.set(frame.id, { state: "ready", pixels, used: ++this.tick });
          this.tell(frame);
        },
        failed: ({ number, reason }) => {
          const frame = byNumber.get(number);
          byNumber.delete(number);
          if (frame) this.fail(frame, reason);
        },
        done: end,
      },
    );
  }

  private fail(frame: Frame, reason: string): void {
    this.held.set(frame.id, { state: { failed: reason }, used: ++this.tick });
    this.tell(frame);
  }

  private tell(frame: Frame): void {
    this.changed(frame.series).value++;
    for (const listener of this.listeners) listener(frame);
  }

  private palette(palette: Palette): Promise<PaletteTable> {
    let table = this.palettes.get(palette);
    if (!table) this.palettes.set(palette, (table = paletteTable(palette)));
    return table;
  }
}

function nearest(
  { frames, index }: Interest,
  missing: (frame: Frame) => boolean,
): { at: number; distance: number } | undefined {
  for (let distance = 0; distance < frames.length; distance++) {
    const after = index + distance;
    if (after < frames.length && missing(frames[after]!)) return { at: after, distance };
    const before = index - distance;
    if (before >= 0 && before < frames.length && missing(frames[before]!)) return { at: before, distance };
  }
  return undefined;
}

const words = (bytes: Uint8Array): Uint16Array =>
  Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes[2 * i]! | (bytes[2 * i + 1]! << 8));

async function paletteTable(palette: Palette): Promise<PaletteTable> {
  const channels = await Promise.all(
    [palette.red, palette.green, palette.blue].map(async ({ descriptor, bytes, uri, segmented }) => {
      const content = bytes ?? (uri ? await bulk(uri) : undefined);
      const entries = content && segmented ? new Uint8Array(expandSegments(words(content)).buffer) : content;
      const lut = entries && lutFrom(descriptor, entries, false);
      if (!lut) throw new Error("the palette is incomplete");
      return lut;
    }),
  );
  const count = channels[0]!.entries.length;
  const rgb = new Uint8Array(count * 3);
  channels.forEach((lut, channel) => {
    const shift = Math.max(lut.bits - 8, 0);
    for (let i = 0; i < count; i++) rgb[i * 3 + channel] = lut.entries[i]! >> shift;
  });
  return { first: channels[0]!.first, rgb };
}

function memoryBudget(): number {
  const gigabytes = (navigator as { deviceMemory?: number }).deviceMemory ?? 4;
  return Math.min(gigabytes, 8) * 0.2 * 2 ** 30;
}
