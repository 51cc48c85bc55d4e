// A table of records: sorted by a click on a heading, walked with the arrow keys, a row opened with
// Enter or a double click, picked with Space, unfolded with the right arrow.

import type { ComponentChildren, JSX } from "preact";
import { Icon } from "./icons";
import { t } from "../i18n";

export interface Column<Row> {
  readonly id: string;
  readonly label: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** What rows are sorted by; without it the column is not sortable. Undefined goes last. */
  readonly value?: (row: Row) => string | number | undefined;
}

export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

interface TableProps<Row> {
  readonly label: string;
  readonly class: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly nameOf: (row: Row) => string; // for screen readers: whose row a control belongs to
  readonly sort: Sort | undefined;
  readonly onSort: (sort: Sort | undefined) => void;
  readonly picked: ReadonlySet<string>;
  readonly onPick: (key: string) => void;
  readonly onOpen: (row: Row) => void;
  readonly unfolded: string | undefined;
  readonly onUnfold: (key: string | undefined) => void;
  readonly detail: (row: Row) => ComponentChildren;
}

const collator = new Intl.Collator(["zh-Hans-CN-u-co-pinyin", "en"], { numeric: true, sensitivity: "base" });

/** Rows in the order of a column; equal ones keep theirs. */
export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | undefined): readonly Row[] {
  const value = sort && columns.find((c) => c.id === sort.column)?.value;
  if (!value) return rows;
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    if (typeof x === "number" && typeof y === "number") return sign * (x - y);
    return sign * collator.compare(String(x), String(y));
  });
}

/** Once: ascending, twice: descending, again: as the rows came. */
const turned = (sort: Sort | undefined, column: string): Sort | undefined =>
  sort?.column !== column ? { column, descending: false } : sort.descending ? undefined : { column, descending: true };

export function Table<Row>(props: TableProps<Row>): JSX.Element {
  const { columns, rows, keyOf, sort, onSort } = props;
  return (
    <table class={props.class} aria-label={props.label} onKeyDown={(event) => walk(event, props)}>
      <thead>
        <tr>
          <th class="pick">
            <span class="hidden">{t("table.pick")}</span>
          </th>
          {columns.map((column) => (
            <th key={column.id} scope="col" class={`column-${column.id}`} aria-sort={sort?.column === column.id ? (sort.descending ? "descending" : "ascending") : undefined}>
              {column.value ? (
                <button type="button" class="heading" onClick={() => onSort(turned(sort, column.id))}>
                  {column.label}
                  {sort?.column === column.id && <Icon name={sort.descending ? "down" : "up"} size={14} />}
                </button>
              ) : (
                column.label
              )}
            </th>
          ))}
          <th class="more">
            <span class="hidden">{t("table.more")}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Line key={keyOf(row)} row={row} {...props} />
        ))}
      </tbody>
    </table>
  );
}

function Line<Row>({ row, columns, keyOf, nameOf, picked, onPick, onOpen, unfolded, onUnfold, detail }: TableProps<Row> & { row: Row }): JSX.Element {
  const key = keyOf(row);
  const open = unfolded === key;
  return (
    <>
      <tr data-key={key} tabIndex={0} class={picked.has(key) ? "chosen" : ""} onDblClick={() => onOpen(row)}>
        <td class="pick">
          <input type="checkbox" aria-label={`${t("table.pick")} ${nameOf(row)}`} checked={picked.has(key)} onChange={() => onPick(key)} />
        </td>
        {columns.map((column) => (
          <td key={column.id} class={`column-${column.id}`}>
            {column.cell(row)}
          </td>
        ))}
        <td class="more">
          <button type="button" class="icon-button" aria-expanded={open} aria-label={`${t("table.more")} ${nameOf(row)}`} onClick={() => onUnfold(open ? undefined : key)}>
            <Icon name="chevron" size={18} />
          </button>
        </td>
      </tr>
      {open && (
        <tr class="detail">
          <td colSpan={columns.length + 2}>{detail(row)}</td>
        </tr>
      )}
    </>
  );
}

function walk<Row>(event: KeyboardEvent, { rows, keyOf, onPick, onOpen, onUnfold }: TableProps<Row>): void {
  const line = (event.target as Element).closest<HTMLElement>("tr[data-key]");
  if (!line) return;
  const key = line.dataset["key"]!;
  const step = event.key === "ArrowDown" ? "nextElementSibling" : event.key === "ArrowUp" ? "previousElementSibling" : undefined;
  if (step) {
    let next = line[step] as HTMLElement | null;
    while (next && !next.dataset["key"]) next = next[step] as HTMLElement | null;
    next?.focus();
  } else if (event.target !== line) return;
  else if (event.key === "Enter") {
    const row = rows.find((r) => keyOf(r) === key);
    if (row) onOpen(row);
  } else if (event.key === " ") onPick(key);
  else if (event.key === "ArrowRight" || event.key === "ArrowLeft") onUnfold(event.key === "ArrowRight" ? key : undefined);
  else return;
  event.preventDefault();
}
