// Which objects are one video stream, and how it is encoded.

import { texts, type Dataset } from "./json";
import { Tag } from "./tags";

// MPEG-2, MPEG-4 AVC/H.264 and HEVC/H.265, fragmentable or not: PS3.5 §A.4.5 to §A.4.9.
const VIDEO = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/;

export type VideoCodec = "MPEG-2" | "H.264" | "HEVC";

/** By the last part of the transfer syntax; PS3.5 §10.10 to §10.14. */
const CODECS: Readonly<Record<string, VideoCodec>> = { "100": "MPEG-2", "101": "MPEG-2", "107": "HEVC", "108": "HEVC" };

export function videoCodec(instance: Dataset): VideoCodec {
  const syntax = texts(instance, Tag.AvailableTransferSyntaxUID).find((each) => VIDEO.test(each)) ?? "";
  return CODECS[syntax.replace(/^1\.2\.840\.10008\.1\.2\.4\.(\d+).*$/, "$1")] ?? "H.264";
}

/** Whether the pixels are one video stream. */
export const isVideo = (instance: Dataset): boolean =>
  texts(instance, Tag.AvailableTransferSyntaxUID).some((syntax) => VIDEO.test(syntax));
