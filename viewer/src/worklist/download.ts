// A study's files as one zip.

import { text } from "../dicom/json";
import type { Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { boundaryOf, parts } from "../net/multipart";
import { root, studyPath } from "../net/dicomweb";
import { Zip } from "./zip";

export async function downloadStudy(study: Dataset): Promise<void> {
  const uid = text(study, Tag.StudyInstanceUID) ?? "";
  const response = await fetch(`${root()}${studyPath(uid)}`, {
    headers: { Accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' },
  });
  const boundary = boundaryOf(response.headers.get("Content-Type") ?? "");
  if (!response.ok || !boundary || !response.body) throw new Error(`${response.status} ${response.statusText}`);
  const zip = new Zip();
  let count = 0;
  for await (const part of parts(response.body, boundary))
    zip.add(`DICOM/${String(++count).padStart(5, "0")}.dcm`, part.body as Uint8Array<ArrayBuffer>);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(zip.finish());
  link.download = `${(text(study, Tag.PatientID) ?? uid).replace(/[^\p{L}\p{N}_-]+/gu, "_")}-${text(study, Tag.StudyDate) ?? ""}.zip`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
