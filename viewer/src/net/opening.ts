// A study's series and their metadata, for who opens it: what net/early.ts has asked for already,
// what was asked for ahead, else by a request.

import type { Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { root, seriesPath, studyPath } from "./address";
import { together } from "./changes";
import { metadata, search } from "./dicomweb";
import { entriesOf, openings, type Early, type SeriesEntry } from "./early";

const underWay = new Map<string, Promise<unknown>>();

/** What was asked for ahead, once; else asks. */
function asked<T>(key: string, ask: () => Promise<T>): Promise<T> {
  const promise = underWay.get(key) as Promise<T> | undefined;
  underWay.delete(key);
  return promise ?? ask();
}

/** The study's series, in the order they are shown. */
export const seriesOf = (study: string): Promise<SeriesEntry[]> =>
  openings.get(study)?.series.catch(() => askSeries(study)) ?? asked(study, () => askSeries(study));

export function metadataOf({ study, series }: SeriesEntry): Promise<Dataset[]> {
  const opening = openings.get(study);
  if (opening?.chosen !== series) return asked(`${study}/${series}`, () => metadata(study, series));
  return opening.metadata
    .then((changes) => together(changes, `${root()}${seriesPath(study, series)}/instances/`))
    .catch(() => metadata(study, series));
}

/** The image of the series that came with the opening, once: it is the last that is asked for of it. */
export function earlyOf({ study, series }: SeriesEntry): Early | undefined {
  const opening = openings.get(study);
  if (opening?.chosen !== series) return undefined;
  openings.delete(study);
  return opening.image;
}

async function askSeries(study: string): Promise<SeriesEntry[]> {
  const include: [string, string][] = [Tag.SeriesDescription, Tag.SeriesDate, Tag.SeriesTime, Tag.SeriesNumber, Tag.BodyPartExamined].map(
    (tag) => ["includefield", tag],
  );
  const { rows } = await search(`${studyPath(study)}/series`, include);
  return entriesOf(study, rows);
}

/**
 * Asks for the study's series and for the metadata of the one that is chosen, which both wait for
 * who asks next. Resolves with the metadata; undefined when there is none to be had.
 */
export function ask(
  study: string,
  choose: (series: readonly SeriesEntry[]) => SeriesEntry | undefined,
): Promise<Dataset[] | undefined> {
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
