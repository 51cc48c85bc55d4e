// What the page and its decode workers say to each other.

import type { Pixels } from "../pixels/pixels";
import type { FrameFormat } from "./frame";

export interface FetchFrames {
  readonly kind: "fetch";
  readonly job: number;
  readonly url: string; // ".../frames"
  readonly numbers: readonly number[]; // from 1
  readonly format: FrameFormat;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Cancel {
  readonly kind: "cancel";
  readonly job: number;
}

export type ToWorker = FetchFrames | Cancel;

export type FromWorker =
  | { readonly kind: "frame"; readonly job: number; readonly number: number; readonly pixels: Pixels; readonly bytes: number }
  | { readonly kind: "failed"; readonly job: number; readonly number: number; readonly reason: string }
  | { readonly kind: "done"; readonly job: number };
