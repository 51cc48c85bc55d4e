// A modality as a small sign and its letters: PS3.3 §C.7.3.1.1.1.

import type { JSX } from "preact";
import { Icon, type IconName } from "./icons";

const FAMILIES: Readonly<Record<string, IconName>> = {
  CT: "ct",
  MR: "mr",
  US: "us",
  IVUS: "us",
  CR: "xray",
  DX: "xray",
  MG: "xray",
  RF: "xray",
  XA: "xray",
  PX: "xray",
  IO: "xray",
  PT: "nuclear",
  NM: "nuclear",
  ECG: "ecg",
  EPS: "ecg",
  HD: "ecg",
  SEG: "contour",
  RTSTRUCT: "contour",
  RTDOSE: "contour",
  RTPLAN: "contour",
  ES: "camera",
  XC: "camera",
  GM: "camera",
  OP: "camera",
  SM: "slide",
  SR: "document",
  DOC: "document",
  KO: "key",
  PR: "state",
};

export const modalityIcon = (modality: string): IconName => FAMILIES[modality] ?? "folder";

export function ModalityBadge({ modality }: { modality: string }): JSX.Element {
  return (
    <span class={`badge ${FAMILIES[modality] ?? ""}`}>
      <Icon name={modalityIcon(modality)} size={14} />
      {modality}
    </span>
  );
}
