// Metadata does not say how pixels are encoded, and a video's frames cannot be had one by one: for
// films in colour the search is asked for it.

import { number, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { seriesPath } from "./address";
import { search } from "./dicomweb";

const mayBeVideo = (instance: Dataset): boolean =>
  (number(instance, Tag.NumberOfFrames) ?? 1) > 1 && number(instance, Tag.SamplesPerPixel) === 3;

/** The instances of a series, those that may be videos with Available Transfer Syntax UID. */
export async function withSyntaxes(study: string, series: string, instances: readonly Dataset[]): Promise<readonly Dataset[]> {
  if (!instances.some(mayBeVideo)) return instances;
  const { rows } = await search(`${seriesPath(study, series)}/instances`, [["includefield", Tag.AvailableTransferSyntaxUID]]);
  const syntaxes = new Map(rows.map((row) => [text(row, Tag.SOPInstanceUID), row[Tag.AvailableTransferSyntaxUID]]));
  return instances.map((instance) => {
    const syntax = mayBeVideo(instance) ? syntaxes.get(text(instance, Tag.SOPInstanceUID)) : undefined;
    return syntax ? { ...instance, [Tag.AvailableTransferSyntaxUID]: syntax } : instance;
  });
}
