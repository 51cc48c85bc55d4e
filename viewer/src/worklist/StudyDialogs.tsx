// A study deleted, or what it says of its patient put right, each only after a question.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { text, values, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, t, type Key } from "../i18n";
import { post } from "../net/api";
import { studyPath } from "../net/address";
import { remove } from "../net/dicomweb";
import { FormDialog } from "../ui/dialogs";
import { reasonOf, say } from "../ui/notices";
import { forgetPriors } from "./priors";
import { firstPage, reload, uidOf } from "./state";

export const deleting = signal<Dataset | undefined>(undefined);
export const correcting = signal<Dataset | undefined>(undefined);

export function StudyDialogs(): JSX.Element {
  return (
    <>
      {deleting.value && <DeleteDialog row={deleting.value} />}
      {correcting.value && <CorrectDialog row={correcting.value} />}
    </>
  );
}

function DeleteDialog({ row }: { row: Dataset }): JSX.Element {
  const close = (): void => {
    deleting.value = undefined;
  };
  const confirmed = async (): Promise<void> => {
    try {
      await remove(studyPath(uidOf(row)));
      say("info", t("study.deleted"));
      forgetPriors();
      await firstPage();
    } catch (error) {
      say("error", t("common.error", { reason: reasonOf(error) }));
    }
  };
  const facts = { name: text(row, Tag.PatientName) ?? "—", date: formatDate(text(row, Tag.StudyDate)) || "—" };
  return (
    <FormDialog title={t("study.delete")} close={close} action={t("study.delete")} danger submit={() => void confirmed()}>
      <p>{t("study.deleteConfirm", facts)}</p>
    </FormDialog>
  );
}

interface Correctable {
  readonly keyword: string;
  readonly tag: string;
  readonly label: Key;
  readonly kind?: "date" | "sex";
}

const CORRECTABLE: readonly Correctable[] = [
  { keyword: "PatientName", tag: Tag.PatientName, label: "column.patient" },
  { keyword: "PatientID", tag: Tag.PatientID, label: "column.patientId" },
  { keyword: "PatientBirthDate", tag: Tag.PatientBirthDate, label: "column.birth", kind: "date" },
  { keyword: "PatientSex", tag: Tag.PatientSex, label: "column.sex", kind: "sex" },
  { keyword: "StudyDate", tag: Tag.StudyDate, label: "column.date", kind: "date" },
  { keyword: "AccessionNumber", tag: Tag.AccessionNumber, label: "column.accession" },
  { keyword: "StudyDescription", tag: Tag.StudyDescription, label: "column.description" },
  { keyword: "ReferringPhysicianName", tag: Tag.ReferringPhysicianName, label: "column.referring" },
];

/** As DICOM writes it: a name with carets and all its groups, a date as YYYYMMDD. */
function written(row: Dataset, tag: string): string {
  const value = values(row, tag)[0];
  if (value === null || typeof value !== "object") return String(value ?? "");
  const groups = value as Record<string, string>;
  return ["Alphabetic", "Ideographic", "Phonetic"].map((g) => groups[g] ?? "").join("=").replace(/=+$/, "");
}

interface Edits {
  readonly edits: readonly { readonly id: string }[];
}

function CorrectDialog({ row }: { row: Dataset }): JSX.Element {
  const close = (): void => {
    correcting.value = undefined;
  };
  const undo = async (edit: string): Promise<void> => {
    try {
      await post<Edits>(`edits/${edit}/undo`, {});
      say("info", t("study.undone"));
      await reload();
    } catch (error) {
      say("error", t("common.error", { reason: reasonOf(error) }));
    }
  };
  const submit = async (form: FormData): Promise<void> => {
    const attributes: Record<string, string> = {};
    for (const { keyword, tag, kind } of CORRECTABLE) {
      const entered = String(form.get(keyword) ?? "").trim();
      const value = kind === "date" ? entered.replaceAll("-", "") : entered;
      if (value !== written(row, tag)) attributes[keyword] = value;
    }
    if (Object.keys(attributes).length === 0) return say("info", t("study.unchanged"));
    try {
      const { edits } = await post<Edits>("edits", {
        kind: "correct",
        study: uidOf(row),
        attributes,
        reason: "CORRECT",
        comment: String(form.get("comment") ?? "").trim() || undefined,
      });
      const [edit] = edits;
      say("info", t("study.corrected"), edit && { label: t("study.undo"), run: () => void undo(edit.id) });
      forgetPriors();
      await reload();
    } catch (error) {
      say("error", t("common.error", { reason: reasonOf(error) }));
    }
  };
  return (
    <FormDialog title={t("study.correct")} close={close} action={t("action.save")} submit={(form) => void submit(form)}>
      <p class="quiet">{t("study.correctNote")}</p>
      <div class="field-grid">
        {CORRECTABLE.map(({ keyword, tag, label, kind }) => (
          <label key={keyword} class="field">
            {t(label)}
            {kind === "sex" ? (
              <select name={keyword}>
                {["", "M", "F", "O"].map((value) => (
                  <option key={value} value={value} selected={value === written(row, tag)}>
                    {value === "" ? "—" : t(`sex.${value as "M"}`)}
                  </option>
                ))}
              </select>
            ) : kind === "date" ? (
              <input name={keyword} type="date" defaultValue={written(row, tag).replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3")} />
            ) : (
              <input name={keyword} type="text" autocomplete="off" defaultValue={written(row, tag)} />
            )}
          </label>
        ))}
      </div>
      <label class="field">
        {t("study.why")}
        <input name="comment" type="text" maxLength={1024} autocomplete="off" />
      </label>
    </FormDialog>
  );
}
