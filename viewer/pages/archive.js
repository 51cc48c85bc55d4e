// The DICOMweb resources this page uses, and how DICOM JSON (PS3.18 §F.2) is read.

export const root = document.querySelector("meta[name=dicomweb-root]").content;

export class Refused extends Error {}

async function json(path, signal) {
  const response = await fetch(path, { signal, headers: { Accept: "application/dicom+json" } });
  if (response.status === 204) return { items: [], total: 0 };
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Refused(problem.detail ?? `${response.status} ${response.statusText}`);
  }
  const total = response.headers.get("x-total-count");
  return { items: await response.json(), total: total === null ? null : Number(total) };
}

export function studies(query, signal) {
  return json(`${root}/studies?${query}`, signal);
}

export async function series(study) {
  const fields = "SeriesDescription,SeriesNumber,BodyPartExamined";
  return (await json(`${root}/studies/${study}/series?includefield=${fields}`)).items;
}

// Every picture of a series in order: one entry for each frame.
export async function pictures(study, series) {
  const path = `${root}/studies/${study}/series/${series}`;
  const { items } = await json(`${path}/instances?includefield=NumberOfFrames,Rows`);
  return items
    .filter((instance) => value(instance, "00280010"))
    .flatMap((instance) => {
      const url = `${path}/instances/${value(instance, "00080018")}`;
      const frames = Number(value(instance, "00280008") ?? 1);
      return Array.from({ length: frames }, (_, n) => `${url}/frames/${n + 1}/rendered`);
    });
}

export async function totals() {
  const response = await fetch("health", { headers: { Accept: "application/json" } });
  return response.ok ? response.json() : null;
}

export function value(item, tag) {
  return item[tag]?.Value?.[0];
}

export function values(item, tag) {
  return item[tag]?.Value ?? [];
}

// PS3.5 §6.2.1.1: components are separated by ^; family, given, middle, prefix, suffix.
export function personName(item, tag) {
  const name = value(item, tag) ?? {};
  const plain = (group) => (group ?? "").split("^").filter(Boolean);
  return {
    ideographic: plain(name.Ideographic).join(""),
    alphabetic: plain(name.Alphabetic).join(" "),
  };
}

export function date(text) {
  return /^\d{8}$/.test(text ?? "") ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : "";
}

export function time(text) {
  return /^\d{4}/.test(text ?? "") ? `${text.slice(0, 2)}:${text.slice(2, 4)}` : "";
}
