import { texts, type Dataset } from "./json";
import { Tag } from "./tags";

// MPEG-2, MPEG-4 AVC/H.264 and HEVC/H.265, fragmentable or not: PS3.5 §A.4.5 to §A.4.9.
const VIDEO = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/;

/** Whether the pixels are one video stream. */
export const isVideo = (instance: Dataset): boolean =>
  texts(instance, Tag.AvailableTransferSyntaxUID).some((syntax) => VIDEO.test(syntax));
