// The worklist page: studies by filter, upload, open, compare.

import { computed, effect, signal } from "@preact/signals";
import { render, type JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { PageHeader } from "../access/PageHeader";
import { SignInDialog } from "../access/SignInDialog";
import { gate } from "../access/session";
import { number, text, texts, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, formatTime, locale, t, type Key } from "../i18n";
import { remove, root, search, studyPath } from "../net/dicomweb";
import { Dialog, IconButton } from "../ui/controls";
import { Icon } from "../ui/icons";
import { downloadStudy } from "./download";
import { fromAddress, NO_FILTERS, PAGE, qido, toAddress, type Filters, type Period } from "./query";
import { dropped, start as startUpload, togglePause, upload } from "./upload";
import "../ui/base.css";
import "./worklist.css";

const filters = signal<Filters>(fromAddress(location.search));
const rows = signal<readonly Dataset[]>([]);
const total = signal<number | undefined>(undefined);
const more = signal(false);
const loading = signal(false);
const failed = signal<string | undefined>(undefined);
const chosen = signal<ReadonlySet<string>>(new Set());
const expanded = signal<string | undefined>(undefined);
const deleting = signal<Dataset | undefined>(undefined);
const notice = signal<{ kind: "info" | "error"; text: string } | undefined>(undefined);
const dragging = signal(false);

const uidOf = (row: Dataset): string => text(row, Tag.StudyInstanceUID) ?? "";
const address = (...uids: string[]): string => `read.html?${uids.map((uid) => `study=${uid}`).join("&")}`;
const say = (kind: "info" | "error", message: string): void => {
  notice.value = { kind, text: message };
  setTimeout(() => (notice.value = undefined), 6000);
};
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

let request: AbortController | undefined;

async function load(offset: number): Promise<void> {
  request?.abort();
  const own = (request = new AbortController());
  loading.value = true;
  failed.value = undefined;
  try {
    const found = await search("/studies", qido(filters.value, offset, new Date()), own.signal);
    const page = found.rows.slice(0, PAGE);
    rows.value = offset === 0 ? page : [...rows.value, ...page];
    more.value = found.rows.length > PAGE;
    total.value = found.total ?? (more.value ? undefined : rows.value.length);
    if (offset === 0) chosen.value = new Set();
  } catch (error) {
    if (own.signal.aborted) return;
    failed.value = reasonOf(error);
    if (offset === 0) rows.value = [];
  }
  if (request === own) loading.value = false;
}

let timer = 0;
function change(part: Partial<Filters>, wait = 250): void {
  filters.value = { ...filters.value, ...part };
  history.replaceState(null, "", toAddress(filters.value));
  window.clearTimeout(timer);
  timer = window.setTimeout(() => void load(0), wait);
}

// ---- filters ----

/** A text filter. What an input method has not committed yet is no filter. */
function TextFilter({ name, label }: { name: "name" | "id" | "accession" | "description"; label: Key }): JSX.Element {
  const composing = useRef(false);
  return (
    <label class="filter">
      <span>{t(label)}</span>
      <input
        type="search"
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

const MODALITIES = ["CT", "MR", "CR", "DX", "MG", "US", "XA", "RF", "NM", "PT", "ECG", "ES", "XC", "SM", "OT", "SR", "SEG", "RTSTRUCT"];
const PERIODS: readonly (readonly [Period, Key])[] = [
  ["", "worklist.anyDate"],
  ["today", "worklist.today"],
  ["yesterday", "worklist.yesterday"],
  ["week", "worklist.week"],
  ["month", "worklist.month"],
  ["between", "worklist.dates"],
];

function FilterBar(): JSX.Element {
  const { period, modality, from, to } = filters.value;
  const any = Object.values(filters.value).some(Boolean);
  return (
    <form class="filters" role="search" aria-label={t("worklist.filters")} onSubmit={(event) => event.preventDefault()}>
      <TextFilter name="name" label="column.patient" />
      <TextFilter name="id" label="column.patientId" />
      <TextFilter name="accession" label="column.accession" />
      <TextFilter name="description" label="column.description" />
      <label class="filter">
        <span>{t("column.modality")}</span>
        <select value={modality} onChange={(event) => change({ modality: event.currentTarget.value }, 0)}>
          <option value="">{t("worklist.anyModality")}</option>
          {MODALITIES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label class="filter">
        <span>{t("worklist.dates")}</span>
        <select value={period} onChange={(event) => change({ period: event.currentTarget.value as Period }, 0)}>
          {PERIODS.map(([value, label]) => (
            <option key={value} value={value}>
              {t(label)}
            </option>
          ))}
        </select>
      </label>
      {period === "between" && (
        <>
          <label class="filter">
            <span>{t("worklist.from")}</span>
            <input type="date" value={from} onChange={(event) => change({ from: event.currentTarget.value }, 0)} />
          </label>
          <label class="filter">
            <span>{t("worklist.to")}</span>
            <input type="date" value={to} onChange={(event) => change({ to: event.currentTarget.value }, 0)} />
          </label>
        </>
      )}
      {any && (
        <button type="button" class="button" onClick={() => change(NO_FILTERS, 0)}>
          {t("worklist.clear")}
        </button>
      )}
    </form>
  );
}

// ---- table ----

const HEADINGS: readonly Key[] = [
  "column.patient",
  "column.patientId",
  "column.sexAge",
  "column.date",
  "column.modality",
  "column.description",
  "column.accession",
  "column.images",
];

function sexAge(row: Dataset): string {
  const sex = text(row, Tag.PatientSex);
  const shown = sex === "M" || sex === "F" || sex === "O" ? t(`sex.${sex}`) : "—";
  const birth = text(row, Tag.PatientBirthDate);
  const study = text(row, Tag.StudyDate);
  const years = birth && study ? Number(study.slice(0, 4)) - Number(birth.slice(0, 4)) - (study.slice(4) < birth.slice(4) ? 1 : 0) : NaN;
  return Number.isFinite(years) && years >= 0 && years < 130 ? `${shown} / ${years}${t("age.years")}` : shown;
}

function Table(): JSX.Element {
  const list = rows.value;
  const keys = (event: KeyboardEvent): void => {
    const row = (event.target as Element).closest<HTMLElement>("tr[data-uid]");
    if (!row) return;
    const step = event.key === "ArrowDown" ? "nextElementSibling" : event.key === "ArrowUp" ? "previousElementSibling" : undefined;
    if (step) {
      let next = row[step] as HTMLElement | null;
      while (next && !next.dataset["uid"]) next = next[step] as HTMLElement | null;
      next?.focus();
      event.preventDefault();
    } else if (event.key === "Enter" && event.target === row) location.href = address(row.dataset["uid"]!);
    else if (event.key === " " && event.target === row) {
      toggle(row.dataset["uid"]!);
      event.preventDefault();
    } else if ((event.key === "ArrowRight" || event.key === "ArrowLeft") && event.target === row)
      expanded.value = event.key === "ArrowRight" ? row.dataset["uid"] : undefined;
  };
  return (
    <table class="studies" onKeyDown={keys}>
      <thead>
        <tr>
          <th class="pick">
            <span class="hidden">{t("worklist.select")}</span>
          </th>
          {HEADINGS.map((key) => (
            <th key={key} scope="col" class={key.replace(".", "-")}>
              {t(key)}
            </th>
          ))}
          <th class="more">
            <span class="hidden">{t("study.seriesList")}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {list.map((row) => (
          <Row key={uidOf(row)} row={row} />
        ))}
      </tbody>
    </table>
  );
}

function toggle(uid: string): void {
  const next = new Set(chosen.value);
  if (!next.delete(uid)) next.add(uid);
  chosen.value = next;
}

function Row({ row }: { row: Dataset }): JSX.Element {
  const uid = uidOf(row);
  const open = expanded.value === uid;
  const name = text(row, Tag.PatientName);
  const modalities = texts(row, Tag.ModalitiesInStudy).filter(Boolean);
  return (
    <>
      <tr
        data-uid={uid}
        tabIndex={0}
        class={chosen.value.has(uid) ? "chosen" : ""}
        onDblClick={() => (location.href = address(uid))}
      >
        <td class="pick">
          <input type="checkbox" aria-label={`${t("worklist.select")} ${name ?? ""}`} checked={chosen.value.has(uid)} onChange={() => toggle(uid)} />
        </td>
        <td class="column-patient">
          <a href={address(uid)}>
            <Thumbnail path={studyPath(uid)} modality="" size={44} />
            {name ?? "—"}
          </a>
        </td>
        <td class="column-patientId">{text(row, Tag.PatientID) ?? "—"}</td>
        <td class="column-sexAge">{sexAge(row)}</td>
        <td class="column-date">
          {formatDate(text(row, Tag.StudyDate)) || "—"} <small>{formatTime(text(row, Tag.StudyTime))}</small>
        </td>
        <td class="column-modality">
          {modalities.length === 0 ? "—" : modalities.map((m) => <span key={m} class={`badge ${m}`}>{m}</span>)}
        </td>
        <td class="column-description">{text(row, Tag.StudyDescription) ?? "—"}</td>
        <td class="column-accession">{text(row, Tag.AccessionNumber) ?? "—"}</td>
        <td class="column-images">
          {number(row, Tag.NumberOfStudyRelatedSeries) ?? "—"} / {number(row, Tag.NumberOfStudyRelatedInstances) ?? "—"}
        </td>
        <td class="more">
          <button
            type="button"
            class="icon-button"
            aria-expanded={open}
            aria-label={`${t("study.seriesList")} ${name ?? ""}`}
            onClick={() => (expanded.value = open ? undefined : uid)}
          >
            <Icon name="chevron" size={18} />
          </button>
        </td>
      </tr>
      {open && (
        <tr class="detail">
          <td colSpan={10}>
            <Detail row={row} />
          </td>
        </tr>
      )}
    </>
  );
}

function Detail({ row }: { row: Dataset }): JSX.Element {
  const uid = uidOf(row);
  const series = useRef(signal<readonly Dataset[] | undefined>(undefined)).current;
  const priors = useRef(signal<readonly Dataset[]>([])).current;
  useEffect(() => {
    const patient = text(row, Tag.PatientID);
    search(`${studyPath(uid)}/series`, [["includefield", Tag.SeriesDescription], ["includefield", Tag.SeriesNumber]])
      .then((found) => (series.value = [...found.rows].sort((a, b) => (number(a, Tag.SeriesNumber) ?? 0) - (number(b, Tag.SeriesNumber) ?? 0))))
      .catch((error: unknown) => say("error", t("common.error", { reason: reasonOf(error) })));
    if (patient)
      search("/studies", [["PatientID", patient], ["includefield", Tag.StudyDescription], ["limit", "20"]])
        .then((found) => (priors.value = found.rows.filter((r) => uidOf(r) !== uid && text(r, Tag.PatientID) === patient)))
        .catch(() => undefined);
  }, [uid]);
  const download = async (): Promise<void> => {
    try {
      await downloadStudy(row);
    } catch (error) {
      say("error", t("common.error", { reason: reasonOf(error) }));
    }
  };
  return (
    <div class="study-detail">
      <div class="series">
        {series.value === undefined ? (
          <span class="spinner small" />
        ) : (
          series.value.map((s) => (
            <a key={text(s, Tag.SeriesInstanceUID)} class="series-card" href={`${address(uid)}&series=${text(s, Tag.SeriesInstanceUID)}`}>
              <Thumbnail
                path={`${studyPath(uid)}/series/${text(s, Tag.SeriesInstanceUID) ?? ""}`}
                modality={text(s, Tag.Modality) ?? ""}
                size={112}
              />
              <span>
                <b>{text(s, Tag.Modality)}</b> {text(s, Tag.SeriesDescription) ?? ""} <small>{number(s, Tag.NumberOfSeriesRelatedInstances)}</small>
              </span>
            </a>
          ))
        )}
      </div>
      {priors.value.length > 0 && (
        <div class="priors">
          <h2>{t("study.priors")}</h2>
          <ul>
            {priors.value.map((prior) => (
              <li key={uidOf(prior)}>
                <a href={address(uid, uidOf(prior))}>
                  {formatDate(text(prior, Tag.StudyDate)) || "—"} {texts(prior, Tag.ModalitiesInStudy).join(" ")} {text(prior, Tag.StudyDescription) ?? ""}
                </a>
              </li>
            ))}
          </ul>
        </div>
      )}
      <div class="study-actions">
        <a class="button primary" href={address(uid)}>
          {t("worklist.open")}
        </a>
        <button type="button" class="button" onClick={() => void download()}>
          <Icon name="download" size={16} /> {t("study.download")}
        </button>
        <button type="button" class="button" onClick={() => (deleting.value = row)}>
          <Icon name="trash" size={16} /> {t("study.delete")}
        </button>
      </div>
    </div>
  );
}

/** The server's thumbnail of a study or series; objects without pixels get their modality instead. */
function Thumbnail({ path, modality, size }: { path: string; modality: string; size: number }): JSX.Element {
  const none = useRef(signal(false)).current;
  if (none.value) return <span class="no-thumbnail">{modality}</span>;
  return (
    <img
      src={`${root()}${path}/thumbnail?viewport=${size * 2},${size * 2}`}
      alt=""
      loading="lazy"
      width={size}
      height={size}
      onError={() => (none.value = true)}
    />
  );
}

function DeleteDialog(): JSX.Element | null {
  const row = deleting.value;
  if (!row) return null;
  const close = (): void => {
    deleting.value = undefined;
  };
  const confirm = async (): Promise<void> => {
    close();
    try {
      await remove(studyPath(uidOf(row)));
      say("info", t("study.deleted"));
      await load(0);
    } catch (error) {
      say("error", t("common.error", { reason: reasonOf(error) }));
    }
  };
  return (
    <Dialog title={t("study.delete")} close={close}>
      <div>
        {t("study.deleteConfirm", { name: text(row, Tag.PatientName) ?? "—", date: formatDate(text(row, Tag.StudyDate)) || "—" })}
        <footer>
          <button type="button" class="button" onClick={close} autofocus>
            {t("action.cancel")}
          </button>
          <button type="button" class="button danger" onClick={() => void confirm()}>
            {t("study.delete")}
          </button>
        </footer>
      </div>
    </Dialog>
  );
}

// ---- upload ----

function UploadButtons(): JSX.Element {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const send = (input: HTMLInputElement): void => {
    void startUpload([...(input.files ?? [])], () => void load(0));
    input.value = "";
  };
  return (
    <>
      <IconButton icon="upload" label={t("upload.files")} caption onClick={() => files.current?.click()} />
      <IconButton icon="folder" label={t("upload.folder")} onClick={() => folder.current?.click()} />
      <input ref={files} type="file" multiple hidden onChange={(event) => send(event.currentTarget)} />
      <input ref={folder} type="file" hidden {...{ webkitdirectory: true }} onChange={(event) => send(event.currentTarget)} />
    </>
  );
}

function UploadPanel(): JSX.Element | null {
  const state = upload.value;
  if (!state) return null;
  const failures = state.results.filter((r) => r.failure);
  const done = state.results.length;
  return (
    <section class="upload" aria-live="polite">
      <header>
        <b>
          {state.running
            ? t("upload.progress", { done, total: state.total })
            : t("upload.done", { stored: done - failures.length, failed: failures.length })}
        </b>
        {state.running ? (
          <button type="button" class="button" onClick={togglePause}>
            {t(state.paused ? "upload.resume" : "upload.pause")}
          </button>
        ) : (
          <IconButton icon="close" label={t("action.remove")} onClick={() => (upload.value = undefined)} />
        )}
      </header>
      <progress max={state.total} value={done} aria-label={t("upload.title")} />
      {failures.length > 0 && (
        <ul>
          {failures.map((failure, i) => (
            <li key={i}>
              <span>{failure.name}</span> <span class="error-text">{failure.failure}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function listenForDrops(): void {
  const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    dragging.value = true;
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) dragging.value = false;
  });
  document.addEventListener("drop", (event) => {
    if (!files(event) || !event.dataTransfer) return;
    event.preventDefault();
    dragging.value = false;
    void dropped(event.dataTransfer).then((list) => startUpload(list, () => void load(0)));
  });
}

// ---- page ----

const count = computed(() =>
  total.value !== undefined ? t("worklist.found", { count: total.value }) : t("worklist.foundOpen", { count: rows.value.length }),
);

function Page(): JSX.Element {
  return (
    <>
      <PageHeader here="worklist">
        <h1 class="hidden">{t("worklist.title")}</h1>
        <span class="quiet" role="status">
          {failed.value ? "" : loading.value ? t("state.loading") : count.value}
        </span>
        <div class="top-actions">
          {chosen.value.size > 0 && (
            <a class="button primary" href={address(...chosen.value)}>
              {chosen.value.size > 1 ? t("worklist.compare", { count: chosen.value.size }) : t("worklist.open")}
            </a>
          )}
          <UploadButtons />
        </div>
      </PageHeader>
      <FilterBar />
      <UploadPanel />
      <main class="list">
        {failed.value && <p class="error-text message">{t("worklist.failed", { reason: failed.value })}</p>}
        {rows.value.length > 0 && <Table />}
        {!loading.value && !failed.value && rows.value.length === 0 && <p class="message quiet">{t("worklist.none")}</p>}
        {more.value && (
          <button type="button" class="button more-button" disabled={loading.value} onClick={() => void load(rows.value.length)}>
            {t("worklist.more")}
          </button>
        )}
      </main>
      {dragging.value && <div class="drop-here">{t("upload.drop")}</div>}
      <DeleteDialog />
      <div class="notices" role="status" aria-live="polite">
        {notice.value && <div class={`notice ${notice.value.kind}`}>{notice.value.text}</div>}
      </div>
      <SignInDialog />
    </>
  );
}

effect(() => {
  document.documentElement.lang = locale.value;
  document.title = t("worklist.title");
});

listenForDrops();
await gate();
render(<Page />, document.getElementById("app")!);
void load(0);
