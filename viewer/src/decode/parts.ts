// What a part of a multipart answer says of the frame it holds.

import { parameterOf, type Part } from "../net/multipart";
import type { Encoded } from "./messages";

export const EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1";

export const encoded = (part: Part): Omit<Encoded, "id"> => ({
  transferSyntax: syntaxOf(part.headers.get("content-type") ?? ""),
  bytes: part.body as Uint8Array<ArrayBuffer>,
  prefix: part.headers.has("content-range"),
});

/** What its Content-Location is of: .../instances/{uid}/frames/{n}, or of the instance alone. */
export function subjectOf(part: Part): { instance?: string; frame?: string } {
  const [, instance, frame] = part.headers.get("content-location")?.match(/\/instances\/([\d.]+)(?:\/frames\/(\d+))?/) ?? [];
  return { instance, frame };
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
