// Whether two studies are of one person: by Patient ID and its issuer (PS3.3 §C.7.1.1), and what of the
// rest speaks against it. An ID means nothing without whoever gave it.

import { text, values, type Dataset } from "./json";
import { Tag } from "./tags";

/**
 * The same Patient ID, of issuers that do not contradict each other. Studies without an ID are of
 * nobody known: never of the same person.
 */
export function samePerson(a: Dataset, b: Dataset): boolean {
  const id = text(a, Tag.PatientID);
  if (id === undefined || id !== text(b, Tag.PatientID)) return false;
  const [one, other] = [text(a, Tag.IssuerOfPatientID), text(b, Tag.IssuerOfPatientID)];
  return one === undefined || other === undefined || one === other;
}

export type Doubt = "issuer" | "name" | "birth" | "sex";

/** What of two studies with one Patient ID is not as it would be of one person. */
export function doubts(a: Dataset, b: Dataset): Doubt[] {
  const differ = (tag: string): boolean => {
    const [one, other] = [text(a, tag), text(b, tag)];
    return one !== undefined && other !== undefined && one !== other;
  };
  const found: Doubt[] = [];
  // Only one of them says who gave the ID.
  if (text(a, Tag.IssuerOfPatientID) !== text(b, Tag.IssuerOfPatientID)) found.push("issuer");
  if (namesDiffer(a, b)) found.push("name");
  if (differ(Tag.PatientBirthDate)) found.push("birth");
  if (differ(Tag.PatientSex)) found.push("sex");
  return found;
}

/** By the component groups both have; written in different scripts, names cannot be compared: they differ. */
function namesDiffer(a: Dataset, b: Dataset): boolean {
  const [one, other] = [groupsOf(a), groupsOf(b)];
  if (one.size === 0 || other.size === 0) return false;
  const common = [...one.keys()].filter((group) => other.has(group));
  return common.length === 0 || common.some((group) => one.get(group) !== other.get(group));
}

function groupsOf(dataset: Dataset): Map<string, string> {
  const name = values(dataset, Tag.PatientName)[0];
  if (name === null || typeof name !== "object") return new Map();
  const written = Object.entries(name).map(([group, value]): [string, string] => [group, folded(String(value ?? ""))]);
  return new Map(written.filter(([, value]) => value !== ""));
}

/** As one reads it: upper and lower case, accents, full and half width, carets and blanks do not count. */
const folded = (name: string): string =>
  name.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toUpperCase().replace(/[\^\s]+/g, " ").trim();
