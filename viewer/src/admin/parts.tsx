// What the tabs of the administration page are made of: a list that loads, fields of forms.

import { signal, type Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { rest } from "../net/rest";
import { reasonOf, say } from "../ui/notices";
import { dt } from "./texts";

/** Does `work` and says whether it was done; true when it was. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    say("info", dt("done"));
    return true;
  } catch (error) {
    say("error", dt("failed", { reason: reasonOf(error) }));
    return false;
  }
}

export interface Listed<T> {
  readonly items: Signal<readonly T[] | undefined>;
  readonly load: () => Promise<void>;
}

/** The array that `path` answers with under `name`. */
export function useListed<T>(path: string, name: string): Listed<T> {
  const listed = useMemo(() => {
    const items = signal<readonly T[] | undefined>(undefined);
    const load = async (): Promise<void> => {
      try {
        items.value = (await rest<Record<string, T[]>>("GET", path)).value[name] ?? [];
      } catch (error) {
        items.value = [];
        say("error", dt("failed", { reason: reasonOf(error) }));
      }
    };
    return { items, load };
  }, [path, name]);
  useEffect(() => void listed.load(), [listed]);
  return listed;
}

interface TableProps<T> {
  listed: Listed<T>;
  columns: readonly string[];
  row: (item: T) => JSX.Element;
}

export function Table<T>({ listed, columns, row }: TableProps<T>): JSX.Element {
  const items = listed.items.value;
  if (items === undefined) return <p class="empty"><span class="spinner small" /></p>;
  if (items.length === 0) return <p class="empty">{dt("none")}</p>;
  return (
    <div class="admin-scroll" tabIndex={0}>
      <table class="admin-table">
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{items.map(row)}</tbody>
      </table>
    </div>
  );
}

interface InputProps {
  name: string;
  label: string;
  value?: string | null;
  type?: "text" | "password" | "date";
  required?: boolean;
  maxLength?: number;
}

export function Input({ name, label, value, type = "text", required, maxLength = 200 }: InputProps): JSX.Element {
  const common = { name, required, maxLength, defaultValue: value ?? "" };
  return (
    <label class="field">
      {label}
      {type === "date" ? <input type="date" {...common} /> : type === "password" ? <input type="password" autocomplete="new-password" {...common} /> : <input type="text" {...common} />}
    </label>
  );
}

export function Choices({ name, label, all, chosen }: { name: string; label: string; all: readonly string[]; chosen: readonly string[] }): JSX.Element {
  return (
    <fieldset class="choices">
      <legend>{label}</legend>
      {all.map((one) => (
        <label key={one}>
          <input type="checkbox" name={name} value={one} defaultChecked={chosen.includes(one)} /> {one}
        </label>
      ))}
    </fieldset>
  );
}

export const textOf = (given: FormData, name: string): string => String(given.get(name) ?? "").trim();
