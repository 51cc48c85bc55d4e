// What a study needs first: its series, and the metadata of the first of them. read.html asks for
// both, and gets the workers ready, before the rest of the page has even arrived (reading/ahead.ts);
// whoever asks next is given what is under way.

import { DecodePool } from "../decode/pool";
import { number, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { metadata, search, studyPath } from "./dicomweb";

export interface SeriesEntry {
  readonly series: string;
  readonly study: string;
  readonly modality: string;
  readonly number?: number;
  readonly description: string;
  readonly count: number;
}

/** The workers of the page. */
export const pool = new DecodePool();

const underWay = new Map<string, Promise<unknown>>();

/** What was asked for ahead, once; else asks. */
function asked<T>(key: string, ask: () => Promise<T>): Promise<T> {
  const promise = underWay.get(key) as Promise<T> | undefined;
  underWay.delete(key);
  return promise ?? ask();
}

/** The study's series, in the order they are shown. */
export const seriesOf = (study: string): Promise<SeriesEntry[]> => asked(study, () => askSeries(study));

export const metadataOf = ({ study, series }: SeriesEntry): Promise<Dataset[]> =>
  asked(`${study}/${series}`, () => metadata(study, series));

async function askSeries(study: string): Promise<SeriesEntry[]> {
  const include: [string, string][] = [Tag.SeriesDescription, Tag.SeriesDate, Tag.SeriesTime, Tag.SeriesNumber, Tag.BodyPartExamined].map(
    (tag) => ["includefield", tag],
  );
  const { rows } = await search(`${studyPath(study)}/series`, include);
  return rows.map((row) => entryOf(study, row)).sort((a, b) => (a.number ?? 1e9) - (b.number ?? 1e9));
}

const entryOf = (study: string, row: Dataset): SeriesEntry => ({
  study,
  series: text(row, Tag.SeriesInstanceUID) ?? "",
  modality: text(row, Tag.Modality) ?? "",
  number: number(row, Tag.SeriesNumber),
  description: text(row, Tag.SeriesDescription) ?? "",
  count: number(row, Tag.NumberOfSeriesRelatedInstances) ?? 0,
});

/**
 * Asks for the study's series and for the metadata of the one that is chosen, which both wait for
 * who asks next. Resolves with the metadata; undefined when there is none to be had.
 */
export function ask(
  study: string,
  choose: (series: readonly SeriesEntry[]) => SeriesEntry | undefined,
): Promise<Dataset[] | undefined> {
  pool.warm();
  const all = askSeries(study);
  underWay.set(study, all);
  // What went wrong is told to who asks next.
  return all
    .then((series) => {
      const chosen = choose(series);
      if (!chosen) return undefined;
      const answer = metadata(study, chosen.series);
      underWay.set(`${study}/${chosen.series}`, answer);
      return answer;
    })
    .catch(() => undefined);
}
