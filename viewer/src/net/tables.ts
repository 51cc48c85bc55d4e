// Look-up tables are long, so servers send them as bulk data: fetched before the images are shown,
// because every image is wrong without them.

import { items, type Dataset, type Element } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { bulk } from "./dicomweb";

const SEQUENCES = [Tag.ModalityLUTSequence, Tag.VOILUTSequence];
const GROUPS = [Tag.SharedFunctionalGroups, Tag.PerFrameFunctionalGroups, Tag.FrameVOILUTSequence, Tag.SoftcopyVOILUTSequence];

/** The instances with every LUT Data inline. Instances that need nothing are returned as they are. */
export async function withTables(instances: readonly Dataset[]): Promise<Dataset[]> {
  return Promise.all(instances.map(complete));
}

async function complete(dataset: Dataset): Promise<Dataset> {
  let out = dataset;
  for (const tag of [...SEQUENCES, ...GROUPS]) {
    const children = items(dataset, tag);
    if (children.length === 0) continue;
    const filled = await Promise.all(children.map((SEQUENCES as readonly string[]).includes(tag) ? table : complete));
    if (filled.some((child, i) => child !== children[i])) out = { ...out, [tag]: { vr: "SQ", Value: filled } };
  }
  return out;
}

async function table(lut: Dataset): Promise<Dataset> {
  const uri = lut[Tag.LUTData]?.BulkDataURI;
  if (!uri) return lut;
  const bytes = await bulk(uri);
  let binary = "";
  for (let i = 0; i < bytes.length; i += 4096) binary += String.fromCharCode(...bytes.subarray(i, i + 4096));
  const data: Element = { vr: "OW", InlineBinary: btoa(binary) };
  return { ...lut, [Tag.LUTData]: data };
}
