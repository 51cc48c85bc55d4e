// What studies are looked for by: every attribute PS3.18 Table 10.6.1-5 names for studies, and some.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { t, type Key } from "../i18n";
import { Icon } from "../ui/icons";
import { FURTHER, NO_FILTERS, type Filters, type Period } from "./query";
import { change, filters } from "./state";

/** A text filter. What an input method has not committed yet is no filter. */
function TextFilter({ name, label }: { name: Exclude<keyof Filters, "period">; label: Key }): JSX.Element {
  const composing = useRef(false);
  return (
    <label class="filter">
      <span>{t(label)}</span>
      <input
        type="search"
        name={name}
        autocomplete="off"
        spellcheck={false}
        value={filters.value[name]}
        onCompositionStart={() => {
          composing.current = true;
        }}
        onCompositionEnd={(event) => {
          composing.current = false;
          change({ [name]: event.currentTarget.value });
        }}
        onInput={(event) => {
          if (!composing.current && !event.isComposing) change({ [name]: event.currentTarget.value });
        }}
      />
    </label>
  );
}

function Field({ name, label, type }: { name: "from" | "to" | "birth" | "fromTime" | "toTime"; label: Key; type: "date" | "time" }): JSX.Element {
  return (
    <label class="filter">
      <span>{t(label)}</span>
      <input type={type} name={name} value={filters.value[name]} onChange={(event) => change({ [name]: event.currentTarget.value }, 0)} />
    </label>
  );
}

const MODALITIES = ["CT", "MR", "CR", "DX", "MG", "US", "XA", "RF", "NM", "PT", "ECG", "ES", "XC", "SM", "OT", "SR", "SEG", "RTSTRUCT"];
const PERIODS: readonly (readonly [Period, Key])[] = [
  ["", "worklist.anyDate"],
  ["today", "worklist.today"],
  ["yesterday", "worklist.yesterday"],
  ["week", "worklist.week"],
  ["month", "worklist.month"],
  ["between", "worklist.between"],
];

export function FilterBar(): JSX.Element {
  const { period, modality, sex } = filters.value;
  const any = Object.values(filters.value).some(Boolean);
  const further = useSignal(FURTHER.some((name) => filters.value[name]));
  return (
    <form class="filters" role="search" aria-label={t("worklist.filters")} onSubmit={(event) => event.preventDefault()}>
      <TextFilter name="name" label="column.patient" />
      <TextFilter name="id" label="column.patientId" />
      <TextFilter name="accession" label="column.accession" />
      <TextFilter name="description" label="column.description" />
      <label class="filter">
        <span>{t("column.modality")}</span>
        <select name="modality" value={modality} onChange={(event) => change({ modality: event.currentTarget.value }, 0)}>
          <option value="">{t("worklist.any")}</option>
          {MODALITIES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label class="filter">
        <span>{t("column.date")}</span>
        <select name="period" value={period} onChange={(event) => change({ period: event.currentTarget.value as Period }, 0)}>
          {PERIODS.map(([value, label]) => (
            <option key={value} value={value}>
              {t(label)}
            </option>
          ))}
        </select>
      </label>
      {period === "between" && (
        <>
          <Field name="from" label="worklist.from" type="date" />
          <Field name="to" label="worklist.to" type="date" />
        </>
      )}
      {further.value && (
        <>
          <Field name="fromTime" label="worklist.fromTime" type="time" />
          <Field name="toTime" label="worklist.toTime" type="time" />
          <Field name="birth" label="column.birth" type="date" />
          <label class="filter">
            <span>{t("column.sex")}</span>
            <select name="sex" value={sex} onChange={(event) => change({ sex: event.currentTarget.value }, 0)}>
              <option value="">{t("worklist.any")}</option>
              {(["M", "F", "O"] as const).map((value) => (
                <option key={value} value={value}>
                  {t(`sex.${value}`)}
                </option>
              ))}
            </select>
          </label>
          <TextFilter name="referring" label="column.referring" />
          <TextFilter name="institution" label="column.institution" />
          <TextFilter name="studyId" label="column.studyId" />
          <TextFilter name="uid" label="worklist.uid" />
        </>
      )}
      <span class="filter-actions">
        <button type="button" class="button" aria-expanded={further.value} onClick={() => (further.value = !further.value)}>
          <Icon name="filter" size={16} /> {t(further.value ? "worklist.fewer" : "worklist.further")}
        </button>
        {any && (
          <button type="button" class="button" onClick={() => change(NO_FILTERS, 0)}>
            {t("worklist.clear")}
          </button>
        )}
      </span>
    </form>
  );
}
