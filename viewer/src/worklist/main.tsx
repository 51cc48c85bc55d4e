// The worklist page: studies by filter, upload, open, compare, correct, delete.

import { effect } from "@preact/signals";
import { render, type JSX } from "preact";
import { PageHeader } from "../access/PageHeader";
import { SignInDialog } from "../access/SignInDialog";
import { gate, watchEnd } from "../access/session";
import { formatNumber, locale, t } from "../i18n";
import { Menu, MenuItem, IconButton } from "../ui/controls";
import { Notices } from "../ui/notices";
import { sorted, Table } from "../ui/table";
import { CHOOSABLE, columns, nameOf, showColumn, shownColumns, usualColumns } from "./columns";
import { FilterBar } from "./Filters";
import { NO_FILTERS } from "./query";
import * as state from "./state";
import { StudyDetail } from "./StudyDetail";
import { StudyDialogs } from "./StudyDialogs";
import { DropTarget, listenForDrops, UploadButtons, UploadPanel } from "./Uploads";
import "../ui/base.css";
import "./worklist.css";

function Page(): JSX.Element {
  return (
    <>
      <PageHeader here="worklist">
        <h1 class="hidden">{t("worklist.title")}</h1>
        <div class="top-actions">
          <UploadButtons />
          <ColumnsMenu />
        </div>
      </PageHeader>
      <FilterBar />
      <UploadPanel />
      <main class="list">
        <Studies />
      </main>
      <Pager />
      <DropTarget />
      <StudyDialogs />
      <Notices />
      <SignInDialog />
    </>
  );
}

function ColumnsMenu(): JSX.Element {
  return (
    <Menu icon="columns" label={t("worklist.columns")}>
      {() => (
        <>
          {CHOOSABLE.map((id) => {
            const shown = shownColumns.value.includes(id);
            return <MenuItem key={id} label={t(`column.${id}`)} checked={shown} onClick={() => showColumn(id, !shown)} />;
          })}
          <hr />
          <MenuItem icon="reset" label={t("worklist.usualColumns")} onClick={usualColumns} />
        </>
      )}
    </Menu>
  );
}

function Studies(): JSX.Element {
  const rows = state.rows.value;
  if (state.failed.value)
    return (
      <div class="message">
        <p class="error-text">{t("worklist.failed", { reason: state.failed.value })}</p>
        <button type="button" class="button" onClick={() => void state.reload()}>
          {t("action.retry")}
        </button>
      </div>
    );
  if (rows.length === 0)
    return (
      <div class="message quiet">
        {state.loading.value ? <span class="spinner" role="status" aria-label={t("state.loading")} /> : <p>{t(filtered() ? "worklist.none" : "worklist.empty")}</p>}
        {!state.loading.value && filtered() && (
          <button type="button" class="button" onClick={() => state.change(NO_FILTERS, 0)}>
            {t("worklist.clear")}
          </button>
        )}
      </div>
    );
  return (
    <Table
      label={t("worklist.title")}
      class="studies"
      columns={columns.value}
      rows={sorted(rows, columns.value, state.sort.value)}
      keyOf={state.uidOf}
      nameOf={nameOf}
      sort={state.sort.value}
      onSort={(sort) => (state.sort.value = sort)}
      picked={state.picked.value}
      onPick={state.pick}
      onOpen={(row) => (location.href = state.address(state.uidOf(row)))}
      unfolded={state.unfolded.value}
      onUnfold={(uid) => (state.unfolded.value = uid)}
      detail={(row) => <StudyDetail row={row} />}
    />
  );
}

const filtered = (): boolean => Object.values(state.filters.value).some(Boolean);

/** Which of the matches these are, the pages beside, and what to do with those picked. */
function Pager(): JSX.Element {
  const { behind, ahead, rows, total, picked, pageSize, loading } = state;
  const first = behind.value.length * pageSize.value + 1;
  const last = first + rows.value.length - 1;
  const all = total.value;
  const whole = (n: number): string => formatNumber(n, 0);
  const several = behind.value.length > 0 || ahead.value !== undefined;
  return (
    <footer class="pager">
      <span class="quiet" role="status">
        {loading.value
          ? t("state.loading")
          : rows.value.length === 0
            ? ""
            : all !== undefined
              ? t("worklist.range", { first: whole(first), last: whole(last), all: whole(all) })
              : t("worklist.rangeOpen", { first: whole(first), last: whole(last) })}
      </span>
      {several && state.sort.value && <span class="quiet">{t("worklist.sortedPage")}</span>}
      <span class="pager-actions">
        {picked.value.size > 0 && (
          <a class="button primary" href={state.address(...picked.value)}>
            {picked.value.size > 1 ? t("worklist.compare", { count: picked.value.size }) : t("worklist.open")}
          </a>
        )}
        <label class="page-size">
          <span>{t("worklist.pageSize")}</span>
          <select value={String(pageSize.value)} onChange={(event) => state.setPageSize(Number(event.currentTarget.value))}>
            {[25, 50, 100, 200].map((size) => (
              <option key={size} value={String(size)}>
                {size}
              </option>
            ))}
          </select>
        </label>
        <IconButton icon="back" label={t("worklist.previousPage")} disabled={behind.value.length === 0} onClick={() => void state.previousPage()} />
        <IconButton icon="next" label={t("worklist.nextPage")} disabled={ahead.value === undefined} onClick={() => void state.nextPage()} />
      </span>
    </footer>
  );
}

effect(() => {
  document.documentElement.lang = locale.value;
  document.title = t("worklist.title");
});

listenForDrops();
await gate();
watchEnd();
render(<Page />, document.getElementById("app")!);
void state.firstPage();
