// Frames in memory. What somebody looks at is fetched at once; beside it the series streams in, at
// an eighth of its sides first (some hundredths of the bytes, so that all of it can be scrolled),
// then whole. What has arrived is decoded nearest first, and what is farthest gives way.

import { signal, type Signal } from "@preact/signals";
import type { FrameFormat } from "../decode/frame";
import type { Encoded } from "../decode/messages";
import type { DecodePool, Handle } from "../decode/pool";
import type { Frame, Palette } from "../dicom/image";
import type { PaletteTable } from "../pixels/color";
import type { Pixels } from "../pixels/pixels";
import type { Early } from "./early";
import { distances, nearest, previewable, Rank, RANKS, sizeOf, streamUrl, urlOf, type Interest } from "./interest";
import { paletteTable } from "./palettes";
import { Shelf } from "./shelf";

export interface Progress {
  readonly ready: number; // decoded
  readonly arrived: number; // decoded, or waiting for it
  readonly seen: number; // decoded, or there as a preview
  readonly failed: number;
  readonly total: number;
}

/** Frames of one request when an object has many: one round trip, still quick to redirect. */
const FRAMES_A_REQUEST = 8;
/** Requests for frames by themselves, at the same time: browsers have six connections to a host. */
const REQUESTS = 4;
/** Fewer than these are not worth a stream; fewer than those, not worth previews. */
const STREAMED = 4;
const PREVIEWED = 16;
const PREVIEW = 8;
const THUMBNAIL = 4;
/** So near to what is looked at, frames are not left to the stream. */
const NEAR = 2;
const PREVIEWS_A_JOB = 16;

/** Arrivals in a row that there is no room for, after which the stream is given up. */
const HOPELESS = 32;

interface Stream {
  readonly stage: "previews" | "whole";
  readonly ahead: boolean; // before anybody looked
  handle?: Handle;
  over: boolean;
  paused: boolean;
  refused: number; // arrivals in a row
}

export class FrameStore {
  private readonly interests = new Set<Interest>();
  private readonly pixels: Shelf<Pixels>;
  private readonly encoded: Shelf<Encoded>;
  private readonly drafts: Shelf<Encoded>; // beginnings that wait to be decoded
  private readonly previews: Shelf<Pixels>;
  private readonly failures = new Map<string, string>();
  private readonly busy = new Set<string>(); // fetched by itself, or being decoded
  private readonly streams = new Map<string, Stream>(); // by URL
  private readonly palettes = new Map<Palette, Promise<PaletteTable>>();
  private readonly listeners = new Set<(frame: Frame) => void>();
  private readonly changes = new Map<string, Signal<number>>();
  private expected = 0;
  private requests = 0;
  private decoding = 0;
  private pumpQueued = false;
  private distances: Map<string, number> | undefined;
  private readonly told = new Set<string>(); // series whose counters are due
  private telling = 0;
  /** Compressed bytes received since the page opened. */
  received = 0;

  constructor(
    private readonly pool: DecodePool,
    budget = memoryBudget(),
  ) {
    this.pixels = new Shelf(budget * 0.7);
    this.encoded = new Shelf(budget * 0.25);
    this.drafts = new Shelf(budget * 0.02);
    this.previews = new Shelf(budget * 0.03);
  }

  get(frame: Frame): Pixels | undefined {
    return this.pixels.get(frame.id);
  }

  /** The frame, or a preview of it. */
  shown(frame: Frame): Pixels | undefined {
    return this.pixels.get(frame.id) ?? this.previews.get(frame.id);
  }

  has(frame: Frame): boolean {
    return this.pixels.has(frame.id);
  }

  /** Bytes that are held, of every kind. */
  get bytes(): number {
    return this.pixels.bytes + this.encoded.bytes + this.drafts.bytes + this.previews.bytes;
  }

  failure(frame: Frame): string | undefined {
    return this.failures.get(frame.id);
  }

  /** Tells when any frame arrives or fails; returns the way to stop. */
  onChange(listener: (frame: Frame) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** One of the frames is being decoded by somebody else: nothing is fetched that would hold it up until it is on the screen. */
  expect(frames: readonly Frame[], { id, pixels }: Early): void {
    const frame = frames.find((each) => each.id === id);
    if (!frame) return;
    this.expected++;
    this.busy.add(id);
    const { frame: arrived } = this.events(new Map([[id, frame]]), () => undefined);
    void pixels
      .then((decoded) => arrived({ id, pixels: decoded }))
      // Whatever was wrong with it is found again by who fetches it.
      .then(drawn, () => this.busy.delete(id))
      .then(() => {
        this.expected--;
        this.pump();
      });
  }

  want(interest: Interest): () => void {
    this.interests.add(interest);
    this.pump();
    return () => {
      this.interests.delete(interest);
      this.pump();
    };
  }

  /** A counter that changes with the frames of the series that arrive. */
  changed(series: string): Signal<number> {
    let counter = this.changes.get(series);
    if (!counter) this.changes.set(series, (counter = signal(0)));
    return counter;
  }

  progress(frames: readonly Frame[]): Progress {
    let [ready, arrived, seen, failed] = [0, 0, 0, 0];
    for (const { id } of frames) {
      if (this.pixels.has(id)) ready++, arrived++, seen++;
      else {
        if (this.encoded.has(id)) arrived++;
        if (this.previews.has(id)) seen++;
        if (this.failures.has(id)) failed++;
      }
    }
    return { ready, arrived, seen, failed, total: frames.length };
  }

  retry(frame: Frame): void {
    this.failures.delete(frame.id);
    this.pump();
  }

  /** To be called when an interest's index or rank changed. */
  pump(): void {
    this.distances = undefined;
    if (this.pumpQueued) return;
    this.pumpQueued = true;
    queueMicrotask(() => {
      this.pumpQueued = false;
      if (this.expected > 0) return;
      const ranked = [...this.interests].filter(({ frames }) => frames.length > 0).sort((a, b) => a.rank - b.rank);
      while (this.decoding < this.pool.size * 2 && this.decodeNext(ranked));
      while (this.requests < REQUESTS && this.fetchNext(ranked));
      this.stream(ranked);
    });
  }

  private readonly distance = (id: string): number => {
    this.distances ??= distances(this.interests);
    return this.distances.get(id) ?? Infinity;
  };

  // ---- frames by themselves ----

  /** Whether the frame is neither here nor on its way by itself. */
  private lacks(frame: Frame): boolean {
    const { id } = frame;
    return !this.pixels.has(id) && !this.encoded.has(id) && !this.busy.has(id) && !this.failures.has(id);
  }

  private fetchNext(ranked: readonly Interest[]): boolean {
    for (const interest of ranked) {
      if (interest.rank === Rank.ahead) continue;
      const small = interest.rank === Rank.thumbnail && previewable(interest.frames[0]!);
      const streamed = interest.rank !== Rank.thumbnail && this.streamed(interest);
      const found = nearest(
        interest,
        (frame) => this.lacks(frame) && !(small && (this.previews.has(frame.id) || this.drafts.has(frame.id))),
        streamed ? NEAR : Infinity,
      );
      if (!found) continue;
      const first = interest.frames[found.at]!;
      const cost = interest.rank * RANKS + found.distance;
      if (found.distance > 0 && !this.pixels.room(first.id, sizeOf(first), this.distance)) continue;
      const batch = [first];
      const limit = streamed || cost % RANKS === 0 ? 1 : FRAMES_A_REQUEST;
      for (let i = found.at + 1; i < interest.frames.length && batch.length < limit; i++) {
        const frame = interest.frames[i]!;
        if (frame.instance !== first.instance || !this.lacks(frame)) break;
        batch.push(frame);
      }
      void this.fetch(batch, small ? THUMBNAIL : 1);
      return true;
    }
    return false;
  }

  private async fetch(batch: readonly Frame[], reduced: number): Promise<void> {
    this.requests++;
    const waiting = new Map(batch.map((frame) => [frame.id, frame]));
    for (const frame of batch) this.busy.add(frame.id);
    const end = (reason = "the decoder stopped"): void => {
      this.requests--;
      for (const frame of waiting.values()) this.fail(frame, reason);
      this.pump();
    };
    const first = batch[0]!;
    let format: FrameFormat;
    try {
      format = await this.format(first);
    } catch (error) {
      return end(`palette: ${String(error)}`);
    }
    const numbers = batch.map((frame) => frame.number);
    const events = this.events(waiting, end);
    this.pool.fetch(
      { url: urlOf(first), instance: first.instance, numbers, reduced, format },
      {
        ...events,
        frame: (message) => {
          this.received += message.bytes;
          events.frame(message);
        },
      },
    );
  }

  private events(waiting: Map<string, Frame>, done: (reason?: string) => void) {
    return {
      frame: ({ id, pixels }: { id: string; pixels: Pixels }) => {
        const frame = waiting.get(id);
        if (!frame) return;
        waiting.delete(id);
        this.busy.delete(id);
        const { byteLength } = pixels.values;
        if (pixels.reduced > 1) {
          if (!this.pixels.has(id)) this.previews.put(id, pixels, byteLength, this.distance);
        } else {
          this.pixels.put(id, pixels, byteLength, this.distance);
          this.previews.delete(id);
        }
        this.tell(frame);
      },
      failed: ({ id, reason }: { id: string; reason: string }) => {
        const frame = waiting.get(id);
        waiting.delete(id);
        if (frame) this.fail(frame, reason);
      },
      done,
    };
  }

  // ---- streams ----

  /** Whether a stream brings the stack's frames, now or when its turn comes. */
  private streamed(interest: Interest): boolean {
    const stream = this.streams.get(streamUrl(interest.frames));
    return stream ? !stream.over || this.stageOf(interest, stream) !== undefined : this.stageOf(interest, undefined) !== undefined;
  }

  /** One stream at a time, so that they do not share the line; the pane in use waits for no other. */
  private stream(ranked: readonly Interest[]): void {
    for (const interest of ranked) {
      if (interest.rank === Rank.thumbnail) continue;
      const url = streamUrl(interest.frames);
      const known = this.streams.get(url);
      if (known && !known.over) continue;
      const stage = this.stageOf(interest, known);
      if (!stage) continue;
      if (interest.rank < Rank.ahead)
        for (const [other, { over }] of [...this.streams]) if (!over && this.rankOf(other) >= Rank.ahead) this.end(other);
      const others = [...this.streams].filter(([, { over }]) => !over).map(([other]) => this.rankOf(other));
      if (others.length === 0 || (interest.rank === Rank.active && !others.includes(Rank.active))) this.open(url, stage, interest.rank === Rank.ahead);
      return;
    }
  }

  private stageOf({ frames, rank }: Interest, known: Stream | undefined): Stream["stage"] | undefined {
    // One that was given up for want of room is begun again when somebody looks.
    if (known?.ahead && rank < Rank.ahead) known = undefined;
    if (known?.stage === "whole" || frames.length < STREAMED) return undefined;
    let missing = 0;
    let unseen = 0;
    for (const frame of frames)
      if (this.lacks(frame)) {
        missing++;
        if (!this.previews.has(frame.id) && !this.drafts.has(frame.id)) unseen++;
      }
    if (missing < STREAMED) return undefined;
    return !known && rank !== Rank.ahead && unseen >= PREVIEWED && previewable(frames[0]!) ? "previews" : "whole";
  }

  private rankOf(url: string): number {
    let rank = Infinity;
    for (const interest of this.interests) if (interest.frames.length > 0 && streamUrl(interest.frames) === url) rank = Math.min(rank, interest.rank);
    return rank;
  }

  private open(url: string, stage: Stream["stage"], ahead: boolean): void {
    const stream: Stream = { stage, ahead, over: false, paused: false, refused: 0 };
    this.streams.set(url, stream);
    stream.handle = this.pool.stream(
      { url: stage === "previews" ? `${url}?resolution=${PREVIEW}` : url },
      {
        parts: ({ parts }) => {
          for (const part of parts) stream.refused = this.arrived(part) ? 0 : stream.refused + 1;
          if (stream.over) return;
          // Its sender waits while decoding is behind, and is let go when there is no room at all.
          if (this.encoded.bytes > this.encoded.budget * 0.9 && this.decoding > 0) this.pause(stream, true);
          else if (stream.refused > HOPELESS) {
            stream.over = true;
            stream.handle?.cancel();
          }
          this.pump();
        },
        // What did not come, for whatever reason, is asked for by itself.
        done: () => {
          stream.over = true;
          this.pump();
        },
      },
    );
  }

  private pause(stream: Stream, paused: boolean): void {
    if (stream.paused === paused) return;
    stream.paused = paused;
    stream.handle?.flow(!paused);
  }

  private end(url: string): void {
    const stream = this.streams.get(url);
    if (!stream || stream.over) return;
    stream.over = true;
    stream.handle?.cancel();
    // It may be asked for again.
    this.streams.delete(url);
  }

  /** Whether it is of use. */
  private arrived(part: Encoded): boolean {
    const { id, bytes, prefix } = part;
    this.received += bytes.length;
    if (this.pixels.has(id) || this.encoded.has(id)) return true;
    if (prefix) return this.drafts.put(id, part, bytes.length, this.distance);
    return this.busy.has(id) || this.encoded.put(id, part, bytes.length, this.distance);
  }

  // ---- decoding ----

  private decodeNext(ranked: readonly Interest[]): boolean {
    for (const interest of ranked) {
      if (interest.rank === Rank.ahead) continue;
      const { frames, index } = interest;
      const whole = nearest(interest, (frame) => this.encoded.has(frame.id) && !this.pixels.has(frame.id) && !this.busy.has(frame.id));
      if (whole?.distance !== 0) {
        const draft = this.drafts.bytes > 0 ? nearest(interest, (frame) => this.drafts.has(frame.id)) : undefined;
        if (draft) {
          this.decodePreviews(frames, draft.at);
          return true;
        }
      }
      if (!whole) continue;
      const frame = frames[whole.at]!;
      if (whole.at !== index && !this.pixels.room(frame.id, sizeOf(frame), this.distance)) continue;
      // Where not all of the series fits decoded, what is given up need not be fetched again.
      const keep = sizeOf(frame) * frames.length > this.pixels.budget;
      this.decode([frame], [this.encoded.get(frame.id)!], 1, keep);
      if (!keep) this.encoded.delete(frame.id);
      return true;
    }
    return false;
  }

  private decodePreviews(frames: readonly Frame[], at: number): void {
    const batch: Frame[] = [];
    for (let i = Math.max(at - (PREVIEWS_A_JOB >> 1), 0); i < frames.length && batch.length < PREVIEWS_A_JOB; i++)
      if (this.drafts.has(frames[i]!.id)) batch.push(frames[i]!);
    const parts = batch.map((frame) => this.drafts.get(frame.id)!);
    for (const frame of batch) this.drafts.delete(frame.id);
    this.decode(batch, parts, PREVIEW, false);
  }

  private decode(batch: readonly Frame[], parts: readonly Encoded[], reduced: number, keep: boolean): void {
    this.decoding++;
    const waiting = new Map(batch.map((frame) => [frame.id, frame]));
    if (reduced === 1) for (const frame of batch) this.busy.add(frame.id);
    const end = (reason = "the decoder stopped"): void => {
      this.decoding--;
      if (reduced === 1) for (const frame of waiting.values()) this.fail(frame, reason);
      for (const stream of this.streams.values()) this.pause(stream, false);
      this.pump();
    };
    this.format(batch[0]!).then(
      (format) => {
        const frames = parts.map((part, i) => ({ ...part, url: urlOf(batch[i]!) }));
        this.pool.decode({ frames, reduced, format }, this.events(waiting, end), keep ? [] : parts.map(({ bytes }) => bytes.buffer));
      },
      (error: unknown) => end(`palette: ${String(error)}`),
    );
  }

  private async format(frame: Frame): Promise<FrameFormat> {
    const { palette, format, modality } = frame;
    if (!palette) return { ...format, modalityLut: modality.lut, padding: modality.padding };
    let table = this.palettes.get(palette);
    if (!table) this.palettes.set(palette, (table = paletteTable(palette)));
    return { ...format, palette: await table, modalityLut: modality.lut };
  }

  // ---- telling ----

  private fail(frame: Frame, reason: string): void {
    this.busy.delete(frame.id);
    this.failures.set(frame.id, reason);
    this.tell(frame);
  }

  /** At once when somebody looks at the frame; else some of them together. */
  private tell(frame: Frame): void {
    for (const listener of this.listeners) listener(frame);
    this.told.add(frame.series);
    if (this.distance(frame.id) % RANKS === 0) return this.tellAll();
    if (!this.telling) this.telling = setTimeout(() => this.tellAll(), 40) as unknown as number;
  }

  private tellAll(): void {
    clearTimeout(this.telling);
    this.telling = 0;
    const series = [...this.told];
    this.told.clear();
    for (const each of series) this.changed(each).value++;
  }
}

/** Resolves when what has changed is on the screen: with the next refresh, or, of a page that is not seen, soon. */
const drawn = (): Promise<void> =>
  new Promise((resolve) => {
    const late = setTimeout(resolve, 250);
    requestAnimationFrame(() => {
      clearTimeout(late);
      setTimeout(resolve);
    });
  });

function memoryBudget(): number {
  const gigabytes = (navigator as { deviceMemory?: number }).deviceMemory ?? 4;
  return Math.min(gigabytes, 8) * 0.2 * 2 ** 30;
}
