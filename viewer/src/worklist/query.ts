// The reader's filters as QIDO-RS parameters, and as the page's address, so that both can be kept.

import { da } from "../dicom/dates";
import { Tag } from "../dicom/tags";

export type Period = "" | "today" | "yesterday" | "week" | "month" | "between";

export interface Filters {
  readonly name: string;
  readonly id: string;
  readonly accession: string;
  readonly description: string;
  readonly modality: string;
  readonly period: Period;
  readonly from: string; // YYYY-MM-DD, as the browser's date fields have it
  readonly to: string;
}

export const NO_FILTERS: Filters = { name: "", id: "", accession: "", description: "", modality: "", period: "", from: "", to: "" };

export const PAGE = 50;

const INCLUDED = [Tag.StudyDescription, Tag.PatientAge];

const containing = (text: string): string => (/[*?]/.test(text) ? text : `*${text}*`);

export function qido(filters: Filters, offset: number, today: Date): [string, string][] {
  const query: [string, string][] = [];
  const add = (name: string, value: string): void => {
    if (value) query.push([name, value]);
  };
  add("PatientName", filters.name && containing(filters.name.trim()));
  add("PatientID", filters.id && containing(filters.id.trim()));
  add("AccessionNumber", filters.accession && containing(filters.accession.trim()));
  add("StudyDescription", filters.description && containing(filters.description.trim()));
  add("ModalitiesInStudy", filters.modality);
  add("StudyDate", range(filters, today));
  for (const tag of INCLUDED) query.push(["includefield", tag]);
  // One more than shown tells whether there is a next page.
  query.push(["limit", String(PAGE + 1)], ["offset", String(offset)]);
  return query;
}

function range({ period, from, to }: Filters, today: Date): string {
  const before = (days: number): string => da(new Date(today.getFullYear(), today.getMonth(), today.getDate() - days));
  switch (period) {
    case "":
      return "";
    case "today":
      return before(0);
    case "yesterday":
      return before(1);
    case "week":
      return `${before(6)}-`;
    case "month":
      return `${before(29)}-`;
    case "between": {
      const [a, b] = [from.replaceAll("-", ""), to.replaceAll("-", "")];
      return a || b ? `${a}-${b}` : "";
    }
  }
}

export function fromAddress(search: string): Filters {
  const parameters = new URLSearchParams(search);
  const entries = Object.keys(NO_FILTERS).map((key) => [key, parameters.get(key) ?? ""]);
  return Object.fromEntries(entries) as unknown as Filters;
}

export function toAddress(filters: Filters): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(filters)) if (value) parameters.set(key, value as string);
  const text = parameters.toString();
  return text ? `?${text}` : location.pathname;
}
