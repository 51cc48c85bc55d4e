// What a study needs first. read.html asks for it in one request, and has the first image decoded,
// before the rest of the page has even arrived (reading/ahead.ts); whoever asks next is given what is
// under way.

import { encoded, subjectOf } from "../decode/parts";
import { DecodePool } from "../decode/pool";
import { formatOf } from "../dicom/format";
import { number, text, type Dataset, type Element } from "../dicom/json";
import { Tag } from "../dicom/tags";
import type { Pixels } from "../pixels/pixels";
import { checked, instancePath, metadata, root, search, studyPath } from "./dicomweb";
import { boundaryOf, parts, type Part } from "./multipart";

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
  return entriesOf(study, rows);
}

const entriesOf = (study: string, rows: readonly Dataset[]): SeriesEntry[] =>
  rows.map((row) => entryOf(study, row)).sort((a, b) => (a.number ?? 1e9) - (b.number ?? 1e9));

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

// ---- in one request ----

/** An image that is being decoded before anybody has asked for it. */
export interface Early {
  readonly id: string; // of its frame
  readonly pixels: Promise<Pixels>;
}

const early = new Map<string, Early>();

/** The image of the series that came with the opening, once. */
export function earlyOf({ study, series }: SeriesEntry): Early | undefined {
  const key = `${study}/${series}`;
  const found = early.get(key);
  early.delete(key);
  return found;
}

/**
 * Asks for what the study needs first (web/opening.py of the server): its series, the image that is
 * shown first, the metadata of its series. read.html names the same address, so that the browser may
 * have asked already.
 */
export function begin(study: string, wanted: string | null): void {
  pool.warm();
  let tell: (series: SeriesEntry[] | Promise<SeriesEntry[]>) => void;
  underWay.set(study, new Promise<SeriesEntry[]>((resolve) => (tell = resolve)));
  let give: ((instances: Dataset[] | Promise<Dataset[]>) => void) | undefined;
  let told = false;
  let chosen: SeriesEntry | undefined;
  let own: Dataset | undefined;
  const take = (part: Part): void => {
    const place = part.headers.get("content-location") ?? "";
    if (place.endsWith(`${studyPath(study)}/series`)) {
      const all = entriesOf(study, json<Dataset[]>(part));
      chosen = all.find((each) => each.series === wanted) ?? all[0];
      if (chosen) underWay.set(`${study}/${chosen.series}`, new Promise<Dataset[]>((resolve) => (give = resolve)));
      told = true;
      tell(all);
    } else if (place.includes("/frames/")) {
      if (chosen && own) early.set(`${study}/${chosen.series}`, decodeEarly(chosen, own, part));
    } else if (place.includes("/instances/")) {
      [own] = json<Dataset[]>(part);
    } else {
      if (chosen) give?.(put(json<Factored>(part), chosen));
      give = undefined;
    }
  };
  const query = wanted ? `?series=${encodeURIComponent(wanted)}` : "";
  fetch(new URL(`./api/v1/studies/${study}/opening${query}`, location.href))
    .then(checked)
    .then(async ({ headers, body }) => {
      for await (const part of parts(body!, boundaryOf(headers.get("Content-Type") ?? "") ?? "")) take(part);
    })
    .catch(() => undefined)
    // What has not come, for whatever reason, is asked for by itself; what is wrong is told to who waits.
    .finally(() => {
      if (!told) tell(askSeries(study));
      if (chosen) give?.(metadata(study, chosen.series));
    });
}

/** Data sets with what all of them share once; BulkDataURI is relative to their instances. */
interface Factored {
  readonly shared: Dataset;
  readonly instances: readonly Dataset[];
}

function put({ shared, instances }: Factored, { study, series }: SeriesEntry): Dataset[] {
  const referring = Object.fromEntries(Object.entries(shared).filter(([, element]) => located(element, "") !== element));
  return instances.map((own) => {
    const at = `${root()}${instancePath(study, series, text(own, Tag.SOPInstanceUID) ?? text(shared, Tag.SOPInstanceUID) ?? "")}/`;
    return { ...shared, ...locatedIn(referring, at), ...locatedIn(own, at) };
  });
}

function locatedIn(dataset: Dataset, at: string): Dataset {
  let out = dataset;
  for (const tag in dataset) {
    const element = located(dataset[tag]!, at);
    if (element !== dataset[tag]) out = { ...out, [tag]: element };
  }
  return out;
}

/** The element with its references made absolute; itself when it has none. */
function located(element: Element, at: string): Element {
  const { BulkDataURI, vr, Value } = element;
  if (BulkDataURI !== undefined) return { ...element, BulkDataURI: at + BulkDataURI };
  if (vr !== "SQ" || !Value) return element;
  const items = Value.map((each) => (each ? locatedIn(each as Dataset, at) : each));
  return items.some((each, i) => each !== Value[i]) ? { ...element, Value: items } : element;
}

const json = <T>({ body }: Part): T => JSON.parse(new TextDecoder().decode(body)) as T;

/** Tables that pixels go through come later: such an image is left to who knows them. */
const TABLES = [Tag.ModalityLUTSequence, Tag.RedPaletteDescriptor];

function decodeEarly({ study, series }: SeriesEntry, own: Dataset, part: Part): Early {
  const { instance = "", frame = "" } = subjectOf(part);
  const id = `${instance}/${frame}`;
  const url = `${root()}${instancePath(study, series, instance)}`;
  const source = { ...encoded(part), id };
  const decoded = (): Promise<Pixels> =>
    new Promise((resolve, reject) => {
      if (TABLES.some((tag) => own[tag])) return reject(new Error("has tables"));
      pool.decode(
        { frames: [{ ...source, url }], reduced: 1, format: formatOf(own) },
        {
          frame: (message) => resolve(message.pixels),
          failed: ({ reason }) => reject(new Error(reason)),
          done: (reason) => reject(new Error(reason ?? "not decoded")),
        },
        [source.bytes.buffer],
      );
    });
  const pixels = Promise.resolve(pool.compiled).then(decoded);
  pixels.catch(() => undefined);
  return { id, pixels };
}
