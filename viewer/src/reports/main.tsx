// The reading worklists: reports.html#unread | mine | review | overdue | issued

import { effect, signal } from "@preact/signals";
import { render, type JSX } from "preact";
import { useRef } from "preact/hooks";
import { PageHeader } from "../access/PageHeader";
import { SignInDialog } from "../access/SignInDialog";
import { gate } from "../access/session";
import { formatAge, formatMoment, formatNumber, locale, t } from "../i18n";
import { turns } from "../net/attended";
import { rest, withQuery } from "../net/rest";
import type { WorklistItem } from "../report/model";
import { rt, rtOr } from "../report/texts";
import { Icon } from "../ui/icons";
import { ModalityBadge } from "../ui/modality";
import "../ui/base.css";
import "./reports.css";

const LISTS = ["unread", "mine", "review", "overdue", "issued"] as const;
type ListName = (typeof LISTS)[number];
const REFRESH_MS = 20_000;
const PAGE = 50;
const MODALITIES = ["CT", "MR", "CR", "DX", "MG", "US", "XA", "RF", "NM", "PT"];

const fromHash = (): ListName => LISTS.find((name) => name === location.hash.slice(1)) ?? "unread";

const list = signal<ListName>(fromHash());
const modality = signal("");
const priority = signal("");
const words = signal("");
const items = signal<readonly WorklistItem[]>([]);
const total = signal(0);
const next = signal<string | null>(null);
const failed = signal("");
const loading = signal(false);
const now = signal(Date.now());

let request: AbortController | undefined;

async function load(after?: string, unattended = false): Promise<void> {
  request?.abort();
  const own = (request = new AbortController());
  loading.value = true;
  try {
    const query = { modality: modality.value, priority: priority.value, q: words.value, limit: PAGE, after };
    const { value } = await rest<{ items: WorklistItem[]; next: string | null; total: number }>(
      "GET",
      withQuery(`/worklists/${list.value}`, query),
      { signal: own.signal, unattended },
    );
    items.value = after ? [...items.value, ...value.items] : value.items;
    next.value = value.next;
    total.value = value.total;
    failed.value = "";
    now.value = Date.now();
  } catch (error) {
    if (own.signal.aborted) return;
    failed.value = error instanceof Error ? error.message : String(error);
  }
  if (request === own) loading.value = false;
}

let timer = 0;
function changed(wait = 0): void {
  window.clearTimeout(timer);
  timer = window.setTimeout(() => void load(), wait);
}

function Tabs(): JSX.Element {
  return (
    <nav class="lists" aria-label={rt("list.title")}>
      {LISTS.map((name) => (
        <a key={name} href={`#${name}`} aria-current={list.value === name ? "true" : undefined}>
          {rt(`list.${name}`)}
        </a>
      ))}
    </nav>
  );
}

function Filters(): JSX.Element {
  const composing = useRef(false);
  const search = (text: string): void => {
    words.value = text;
    changed(250);
  };
  return (
    <form class="list-filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        aria-label={rt("list.search")}
        placeholder={rt("list.search")}
        onCompositionStart={() => {
          composing.current = true;
        }}
        onCompositionEnd={(event) => {
          composing.current = false;
          search(event.currentTarget.value);
        }}
        onInput={(event) => {
          if (!composing.current && !event.isComposing) search(event.currentTarget.value);
        }}
      />
      <select
        aria-label={rt("list.anyModality")}
        onChange={(event) => {
          modality.value = event.currentTarget.value;
          changed();
        }}
      >
        <option value="">{rt("list.anyModality")}</option>
        {MODALITIES.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select
        aria-label={rt("list.anyPriority")}
        onChange={(event) => {
          priority.value = event.currentTarget.value;
          changed();
        }}
      >
        <option value="">{rt("list.anyPriority")}</option>
        <option value="urgent">{rt("urgent")}</option>
        <option value="routine">{rt("routine")}</option>
      </select>
      <button type="button" class="icon-button" title={rt("list.refresh")} aria-label={rt("list.refresh")} onClick={() => void load()}>
        <Icon name="reset" size={18} />
      </button>
      <span class="quiet" role="status">
        {loading.value ? rt("loading") : rt("list.total", { total: formatNumber(total.value, 0) })}
      </span>
    </form>
  );
}

const address = (item: WorklistItem): string => `read.html?${item.study_uids.map((uid) => `study=${uid}`).join("&")}&report`;

/** How long there still is, or how late it is, in the largest unit that says it. */
function span(milliseconds: number): string {
  const minutes = Math.round(Math.abs(milliseconds) / 60_000);
  const [value, unit] = minutes < 100 ? [minutes, "minute"] : minutes < 2880 ? [minutes / 60, "hour"] : [minutes / 1440, "day"];
  return new Intl.NumberFormat(locale.value, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 }).format(value);
}

function Due({ item }: { item: WorklistItem }): JSX.Element {
  if (!item.due_at || list.value === "issued") return <>—</>;
  const left = Date.parse(item.due_at) - now.value;
  return (
    <span class={item.overdue || left < 0 ? "late" : ""} title={formatMoment(item.due_at)}>
      {rt(left < 0 ? "due.over" : "due.in", { time: span(left) })}
    </span>
  );
}

function Row({ item }: { item: WorklistItem }): JSX.Element {
  const { patient } = item;
  const sex = patient.sex === "M" || patient.sex === "F" || patient.sex === "O" ? t(`sex.${patient.sex}`) : "";
  return (
    <tr tabIndex={0} data-exam={item.exam_id} onDblClick={() => (location.href = address(item))}>
      <td>
        <span class={`chip ${item.priority}`}>{rt(item.priority)}</span>
      </td>
      <td class="who">
        <a href={address(item)}>{patient.ideographic.replace(/\^/g, "") || patient.name.replace(/\^/g, " ") || "—"}</a>
        <small>{[patient.patient_id, sex, formatAge(patient.age)].filter(Boolean).join(" · ")}</small>
      </td>
      <td>
        <ModalityBadge modality={item.modality} /> {item.description || item.body_part}
      </td>
      <td>{item.accession || "—"}</td>
      <td>{formatMoment(item.completed_at) || "—"}</td>
      <td>
        <Due item={item} />
      </td>
      <td>{item.report ? (item.report.stage === "idle" ? rtOr("status", item.report.status) : rtOr("stage", item.report.stage)) : rt("stage.unread")}</td>
      <td>{item.holder?.name ?? "—"}</td>
    </tr>
  );
}

const COLUMNS = ["priority", "patient", "exam", "accession", "completed", "due", "state", "holder"] as const;

function Table(): JSX.Element {
  const keys = (event: KeyboardEvent): void => {
    const row = (event.target as Element).closest<HTMLElement>("tr[data-exam]");
    if (!row || event.target !== row) return;
    if (event.key === "Enter") row.querySelector<HTMLAnchorElement>("a")!.click();
    else if (event.key === "ArrowDown") (row.nextElementSibling as HTMLElement | null)?.focus();
    else if (event.key === "ArrowUp") (row.previousElementSibling as HTMLElement | null)?.focus();
    else return;
    event.preventDefault();
  };
  return (
    <div class="list-scroll" tabIndex={0}>
      <table class="exams" onKeyDown={keys}>
        <thead>
          <tr>
            {COLUMNS.map((name) => (
              <th key={name} scope="col">
                {rt(`column.${name}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {items.value.map((item) => (
            <Row key={item.exam_id} item={item} />
          ))}
        </tbody>
      </table>
      {items.value.length === 0 && !loading.value && !failed.value && <p class="empty">{rt("list.empty")}</p>}
      {next.value && (
        <button type="button" class="button more" onClick={() => void load(next.value!)}>
          {rt("list.more")}
        </button>
      )}
    </div>
  );
}

function Page(): JSX.Element {
  return (
    <>
      <PageHeader here="reports" />
      <main class="reports">
        <h1 class="hidden">{rt("list.title")}</h1>
        <Tabs />
        <Filters />
        {failed.value && <p class="error-text" role="alert">{failed.value}</p>}
        <Table />
      </main>
      <SignInDialog />
    </>
  );
}

effect(() => {
  document.documentElement.lang = locale.value;
  document.title = rt("list.title");
});
window.addEventListener("hashchange", () => {
  list.value = fromHash();
  items.value = [];
  changed();
});
await gate();
render(<Page />, document.getElementById("app")!);
void load();
// Only the first page is refreshed: what was opened beyond it stays as it is. What still waits, for
// somebody to sign in again perhaps, is not asked a second time.
const attended = turns();
window.setInterval(() => {
  const unattended = !attended();
  if (!document.hidden && !loading.value && items.value.length <= PAGE) void load(undefined, unattended);
}, REFRESH_MS);
