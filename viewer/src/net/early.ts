// What a study needs first. read.html asks for it in one request, and has the first image decoded,
// before the rest of the page has even arrived (reading/ahead.ts); net/opening.ts hands it to who asks.
// It is the page's first script, so it brings little with it.

import { encoded, subjectOf } from "../decode/parts";
import { DecodePool } from "../decode/pool";
import { formatOf } from "../dicom/format";
import { number, text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import type { Pixels } from "../pixels/pixels";
import { instancePath, root, studyPath } from "./address";
import type { Change } from "./changes";
import { boundaryOf, parts, type Part } from "./multipart";

export interface SeriesEntry {
  readonly series: string;
  readonly study: string;
  readonly modality: string;
  readonly number?: number;
  readonly description: string;
  readonly count: number;
}

/** An image that is being decoded before anybody has asked for it. */
export interface Early {
  readonly id: string; // of its frame
  readonly pixels: Promise<Pixels>;
}

/** What is coming of a study; what does not come is asked for by who needs it, and told why. */
export interface Opening {
  readonly series: Promise<SeriesEntry[]>;
  /** Of one of them, `chosen`: known when `series` are. */
  chosen?: string;
  readonly metadata: Promise<Change[]>;
  image?: Early;
}

/** The workers of the page. */
export const pool = new DecodePool();

/** By study. */
export const openings = new Map<string, Opening>();

export const entriesOf = (study: string, rows: readonly Dataset[]): SeriesEntry[] =>
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
 * Asks for the study's series, the image that is shown first, the metadata of its series
 * (web/opening.py of the server). read.html names the same address, so that the browser may have
 * asked already.
 */
export function begin(study: string, wanted: string | null): void {
  pool.warm();
  const series = promised<SeriesEntry[]>();
  const metadata = promised<Change[]>();
  const opening: Opening = { series: series.promise, metadata: metadata.promise };
  openings.set(study, opening);
  let own: Dataset | undefined;
  const take = (part: Part): void => {
    const place = part.headers.get("content-location") ?? "";
    if (place.endsWith(`${studyPath(study)}/series`)) {
      const all = entriesOf(study, json<Dataset[]>(part));
      opening.chosen = (all.find((each) => each.series === wanted) ?? all[0])?.series;
      series.resolve(all);
    } else if (place.includes("/frames/")) {
      if (opening.chosen && own) opening.image = decodeEarly(`${root()}${instancePath(study, opening.chosen, subjectOf(part).instance ?? "")}`, own, part);
    } else if (place.includes("/instances/")) {
      [own] = json<Dataset[]>(part);
    } else {
      metadata.resolve(json<Change[]>(part));
    }
  };
  const query = wanted ? `?series=${encodeURIComponent(wanted)}` : "";
  fetch(new URL(`./api/v1/studies/${study}/opening${query}`, location.href))
    .then(async ({ ok, headers, body }) => {
      if (!ok) return;
      for await (const part of parts(body!, boundaryOf(headers.get("Content-Type") ?? "") ?? "")) take(part);
    })
    .catch(() => undefined)
    .finally(() => {
      const reason = new Error("the opening has ended without it");
      series.reject(reason);
      metadata.reject(reason);
    });
}

interface Promised<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: Error): void;
}

function promised<T>(): Promised<T> {
  let [resolve, reject]: [Promised<T>["resolve"], Promised<T>["reject"]] = [() => undefined, () => undefined];
  const promise = new Promise<T>((...both) => ([resolve, reject] = both));
  promise.catch(() => undefined); // perhaps nobody asks
  return { promise, resolve, reject };
}

const json = <T>({ body }: Part): T => JSON.parse(new TextDecoder().decode(body)) as T;

/** Tables that pixels go through come later: such an image is left to who knows them. */
const TABLES = [Tag.ModalityLUTSequence, Tag.RedPaletteDescriptor];

/** `url`  of the instance */
function decodeEarly(url: string, own: Dataset, part: Part): Early {
  const { instance = "", frame = "" } = subjectOf(part);
  const id = `${instance}/${frame}`;
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
