// Reading values out of DICOM JSON (PS3.18 annex F). Nothing here throws: a value that is
// missing, empty or of another type is `undefined`, and the caller says what that means.

export interface Element {
  readonly vr: string;
  readonly Value?: readonly unknown[];
  readonly BulkDataURI?: string;
  readonly InlineBinary?: string;
}
export type Dataset = { readonly [tag: string]: Element };

export const values = (dataset: Dataset, tag: string): readonly unknown[] =>
  dataset[tag]?.Value ?? [];

function asText(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === "object") return nameText(value as PersonName);
  const text = String(value).trim();
  return text === "" ? undefined : text;
}

export const text = (dataset: Dataset, tag: string): string | undefined =>
  asText(values(dataset, tag)[0]);

export const texts = (dataset: Dataset, tag: string): string[] =>
  values(dataset, tag).map((value) => asText(value) ?? "");

export function numbers(dataset: Dataset, tag: string): number[] {
  return values(dataset, tag).map((value) => (value === null ? NaN : Number(value)));
}

export function number(dataset: Dataset, tag: string): number | undefined {
  const first = values(dataset, tag)[0];
  if (first === undefined || first === null || first === "") return undefined;
  const value = Number(first);
  return Number.isFinite(value) ? value : undefined;
}

export const items = (dataset: Dataset, tag: string): readonly Dataset[] =>
  values(dataset, tag).filter((item) => item !== null && typeof item === "object") as Dataset[];

export const item = (dataset: Dataset, tag: string): Dataset | undefined => items(dataset, tag)[0];

interface PersonName {
  Alphabetic?: string;
  Ideographic?: string;
  Phonetic?: string;
}

/** A name as a reader writes it: ideographic group when there is one, carets to spaces. */
export function nameText(name: PersonName): string | undefined {
  const group = name.Ideographic || name.Alphabetic || name.Phonetic;
  if (!group) return undefined;
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = group.split("^");
  const joined = name.Ideographic
    ? `${family}${given}${middle}`
    : [prefix, family, given, middle, suffix].filter(Boolean).join(" ");
  return joined.trim() || undefined;
}

/** Bytes of an InlineBinary value. */
export function inlineBytes(element: Element | undefined): Uint8Array | undefined {
  if (element?.InlineBinary === undefined) return undefined;
  const binary = atob(element.InlineBinary);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
