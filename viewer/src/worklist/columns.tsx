// The columns of the worklist, and which of them the reader wants to see.

import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { yearsBetween } from "../dicom/dates";
import { number, text, texts, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, formatNumber, formatTime, t } from "../i18n";
import { studyPath } from "../net/address";
import { ModalityBadge } from "../ui/modality";
import type { Column } from "../ui/table";
import { priorsOf } from "./priors";
import { address, uidOf } from "./state";
import { Thumbnail } from "./Thumbnail";

const IDS = ["patient", "patientId", "sexAge", "birth", "date", "modality", "description", "accession", "images", "priors", "referring", "institution", "studyId"] as const;
export type ColumnId = (typeof IDS)[number];

/** Which patient it is is always shown. */
export const CHOOSABLE = IDS.filter((id) => id !== "patient");
const USUAL: readonly ColumnId[] = ["patient", "patientId", "sexAge", "date", "modality", "description", "accession", "images", "priors"];
const KEPT = "worklist.columns";

function kept(): readonly ColumnId[] {
  const names = (localStorage.getItem(KEPT) ?? "").split(",");
  const known = IDS.filter((id) => names.includes(id));
  return known.includes("patient") ? known : USUAL;
}

export const shownColumns = signal(kept());

export function showColumn(id: ColumnId, shown: boolean): void {
  shownColumns.value = IDS.filter((other) => (other === id ? shown : shownColumns.value.includes(other)));
  localStorage.setItem(KEPT, shownColumns.value.join(","));
}

export function usualColumns(): void {
  shownColumns.value = USUAL;
  localStorage.removeItem(KEPT);
}

export const nameOf = (row: Dataset): string => text(row, Tag.PatientName) ?? "—";

const years = (row: Dataset): number | undefined => yearsBetween(text(row, Tag.PatientBirthDate), text(row, Tag.StudyDate));

function sexAge(row: Dataset): string {
  const sex = text(row, Tag.PatientSex);
  const shown = sex === "M" || sex === "F" || sex === "O" ? t(`sex.${sex}`) : "—";
  const age = years(row);
  return age === undefined ? shown : `${shown} · ${age}${t("age.years")}`;
}

function Priors({ row }: { row: Dataset }): JSX.Element | null {
  const count = priorsOf(row);
  if (count === undefined) return <span class="quiet">—</span>;
  return count.others === 0 ? <span class="quiet">0</span> : <b>{`${formatNumber(count.others, 0)}${count.more ? "+" : ""}`}</b>;
}

const plain = (id: ColumnId, tag: string): Omit<Column<Dataset>, "label"> => ({
  id,
  cell: (row) => text(row, tag) ?? <span class="quiet">—</span>,
  value: (row) => text(row, tag),
});

const COLUMNS: Readonly<Record<ColumnId, Omit<Column<Dataset>, "label">>> = {
  patient: {
    id: "patient",
    cell: (row) => (
      <a href={address(uidOf(row))}>
        <Thumbnail path={studyPath(uidOf(row))} modality="" size={40} />
        {nameOf(row)}
      </a>
    ),
    value: (row) => text(row, Tag.PatientName),
  },
  patientId: plain("patientId", Tag.PatientID),
  sexAge: { id: "sexAge", cell: sexAge, value: years },
  birth: { id: "birth", cell: (row) => formatDate(text(row, Tag.PatientBirthDate)) || <span class="quiet">—</span>, value: (row) => text(row, Tag.PatientBirthDate) },
  date: {
    id: "date",
    cell: (row) => (
      <>
        {formatDate(text(row, Tag.StudyDate)) || "—"} <small>{formatTime(text(row, Tag.StudyTime))}</small>
      </>
    ),
    value: (row) => text(row, Tag.StudyDate) && `${text(row, Tag.StudyDate)}${text(row, Tag.StudyTime) ?? ""}`,
  },
  modality: {
    id: "modality",
    cell: (row) => {
      const all = texts(row, Tag.ModalitiesInStudy).filter(Boolean);
      return all.length === 0 ? <span class="quiet">—</span> : <span class="badges">{all.map((m) => <ModalityBadge key={m} modality={m} />)}</span>;
    },
    value: (row) => texts(row, Tag.ModalitiesInStudy).join(" ") || undefined,
  },
  description: plain("description", Tag.StudyDescription),
  accession: plain("accession", Tag.AccessionNumber),
  images: {
    id: "images",
    cell: (row) => `${number(row, Tag.NumberOfStudyRelatedSeries) ?? "—"} / ${number(row, Tag.NumberOfStudyRelatedInstances) ?? "—"}`,
    value: (row) => number(row, Tag.NumberOfStudyRelatedInstances),
  },
  priors: { id: "priors", cell: (row) => <Priors row={row} /> },
  referring: plain("referring", Tag.ReferringPhysicianName),
  institution: plain("institution", Tag.InstitutionName),
  studyId: plain("studyId", Tag.StudyID),
};

export const columns = computed((): readonly Column<Dataset>[] =>
  shownColumns.value.map((id) => ({ ...COLUMNS[id], label: t(`column.${id}`) })),
);
