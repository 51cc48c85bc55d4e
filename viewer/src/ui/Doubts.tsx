// Beside an earlier study: what speaks against it being of the same patient.

import type { JSX } from "preact";
import { text, type Dataset } from "../dicom/json";
import { doubts, type Doubt } from "../dicom/patient";
import { Tag } from "../dicom/tags";
import { formatDate, t } from "../i18n";

const sexOf = (study: Dataset): string => {
  const sex = text(study, Tag.PatientSex);
  return sex === "M" || sex === "F" || sex === "O" ? t(`sex.${sex}`) : (sex ?? "—");
};

const SAID: Readonly<Record<Doubt, (study: Dataset) => string>> = {
  issuer: (study) => text(study, Tag.IssuerOfPatientID) ?? "—",
  name: (study) => text(study, Tag.PatientName) ?? "—",
  birth: (study) => formatDate(text(study, Tag.PatientBirthDate)),
  sex: sexOf,
};

/** Each doubt, with what `study` says and `own` does not. */
export const doubtsText = (study: Dataset, own: Dataset): string =>
  doubts(study, own)
    .map((doubt) => t(`doubt.${doubt}`, { value: SAID[doubt](study) }))
    .join(t("list.separator"));

/** Whom a study is of, so that two people are told apart. */
export const personText = (study: Dataset): string =>
  [
    text(study, Tag.PatientName) ?? "—",
    `ID ${[text(study, Tag.PatientID) ?? "—", text(study, Tag.IssuerOfPatientID)].filter(Boolean).join(" / ")}`,
    sexOf(study),
    formatDate(text(study, Tag.PatientBirthDate)) || "—",
  ].join(" · ");

export function Doubts({ study, own }: { study: Dataset; own: Dataset | undefined }): JSX.Element | null {
  const said = own && doubtsText(study, own);
  return said ? <strong class="warn-text">⚠ {said}</strong> : null;
}
