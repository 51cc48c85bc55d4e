// What the page and its workers say to each other. A frame's id is "SOP Instance UID/number".

import type { Pixels } from "../pixels/pixels";
import type { FrameFormat } from "./frame";

/** A frame as it came over the network. */
export interface Encoded {
  readonly id: string;
  readonly transferSyntax: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly prefix: boolean; // only the beginning of its codestream: a smaller picture
}

/** Compiled once by the page, so that no worker does it again. */
export interface Warm {
  readonly kind: "warm";
  readonly openjph: WebAssembly.Module;
}

/** Frames of one instance, fetched and decoded. */
export interface FetchFrames {
  readonly kind: "fetch";
  readonly job: number;
  readonly url: string; // of the instance
  readonly instance: string;
  readonly numbers: readonly number[]; // from 1
  readonly reduced: number; // 1, or rows and columns so many times fewer
  readonly format: FrameFormat;
}

export interface DecodeFrames {
  readonly kind: "decode";
  readonly job: number;
  readonly frames: readonly (Encoded & { readonly url: string })[]; // of their instances
  readonly reduced: number; // of prefixes
  readonly format: FrameFormat;
}

/** All frames below a URL, as they arrive. */
export interface StreamFrames {
  readonly kind: "stream";
  readonly job: number;
  readonly url: string;
}

export type Job = FetchFrames | DecodeFrames | StreamFrames;

export type ToWorker =
  | Warm
  | Job
  | { readonly kind: "flow"; readonly job: number; readonly open: boolean } // whether a stream goes on reading
  | { readonly kind: "cancel"; readonly job: number };

export type FromWorker =
  | { readonly kind: "frame"; readonly job: number; readonly id: string; readonly pixels: Pixels; readonly bytes: number }
  | { readonly kind: "failed"; readonly job: number; readonly id: string; readonly reason: string }
  | { readonly kind: "parts"; readonly job: number; readonly parts: readonly Encoded[] }
  | { readonly kind: "done"; readonly job: number; readonly reason?: string }; // why a stream ended early
