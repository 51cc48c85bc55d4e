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
  readonly fromTime: string; // HH:MM
  readonly toTime: string;
  readonly birth: string; // YYYY-MM-DD
  readonly sex: string;
  readonly referring: string;
  readonly institution: string;
  readonly studyId: string;
  readonly uid: string;
}

export const NO_FILTERS: Filters = {
  name: "", id: "", accession: "", description: "", modality: "", period: "", from: "", to: "",
  fromTime: "", toTime: "", birth: "", sex: "", referring: "", institution: "", studyId: "", uid: "",
};

/** Those that are shown only when asked for. */
export const FURTHER = ["fromTime", "toTime", "birth", "sex", "referring", "institution", "studyId", "uid"] as const satisfies readonly (keyof Filters)[];

const INCLUDED = [Tag.StudyDescription, Tag.PatientAge, Tag.InstitutionName, Tag.IssuerOfPatientID];

const containing = (text: string): string => (/[*?]/.test(text) ? text : `*${text}*`);

const HAN = /^[\p{Script=Han}\s]+$/u;

/**
 * A name as people write it. Chinese characters are found in their order, with or without what separates the
 * family name; other letters as they are written and as they sound, so that pinyin finds characters.
 */
function named(text: string): { value: string; sounds: boolean } {
  if (text === "" || /[*?]/.test(text)) return { value: text, sounds: false };
  if (HAN.test(text)) return { value: `*${[...text.replace(/\s/g, "")].join("*")}*`, sounds: false };
  // Numbers have no sound: Patient 7 would be every patient.
  return { value: `*${text}*`, sounds: !/\d/.test(text) };
}

/** `cursor`: where a page before ended, as the server named it. */
export function qido(filters: Filters, page: { size: number; cursor?: string }, today: Date): [string, string][] {
  const query: [string, string][] = [];
  const add = (name: string, value: string): void => {
    if (value) query.push([name, value]);
  };
  const part = (name: string, value: string): void => add(name, value.trim() && containing(value.trim()));
  const [name, referring] = [named(filters.name.trim()), named(filters.referring.trim())];
  add("PatientName", name.value);
  part("PatientID", filters.id);
  part("AccessionNumber", filters.accession);
  part("StudyDescription", filters.description);
  add("ModalitiesInStudy", filters.modality);
  add("StudyDate", range(filters, today));
  add("StudyTime", times(filters));
  add("PatientBirthDate", filters.birth.replaceAll("-", ""));
  add("PatientSex", filters.sex);
  add("ReferringPhysicianName", referring.value);
  add("fuzzymatching", name.sounds || referring.sounds ? "true" : "");
  part("InstitutionName", filters.institution);
  part("StudyID", filters.studyId);
  add("StudyInstanceUID", filters.uid.trim());
  for (const tag of INCLUDED) query.push(["includefield", tag]);
  query.push(["limit", String(page.size)]);
  add("cursor", page.cursor ?? "");
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

function times({ fromTime, toTime }: Filters): string {
  const [a, b] = [fromTime.replace(":", ""), toTime.replace(":", "")];
  // To the end of the minute that was named.
  return a || b ? `${a && `${a}00`}-${b && `${b}59`}` : "";
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
