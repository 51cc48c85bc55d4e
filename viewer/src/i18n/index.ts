// The page's language. Chinese defines the keys; English must have them all. Numbers and moments by Intl.

import { computed, signal } from "@preact/signals";
import { dateOf } from "../dicom/dates";
import { en } from "./en";
import { zh } from "./zh";

export type Language = "zh" | "en";
export type Key = keyof typeof zh;
export type Dictionary = Readonly<Record<Key, string>>;

const dictionaries: Readonly<Record<Language, Dictionary>> = { zh, en };

function initial(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("language");
  if (asked === "zh" || asked === "en") return asked;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const language = signal<Language>(initial());

export const locale = computed(() => (language.value === "zh" ? "zh-CN" : "en-GB"));

export function setLanguage(next: Language): void {
  language.value = next;
  localStorage.setItem("language", next);
}

type Facts = Readonly<Record<string, string | number>>;

/** What gives the text of a key of these dictionaries; `{name}` is replaced by the fact of that name. */
export function translator<K extends string>(of: Readonly<Record<Language, Readonly<Record<K, string>>>>): (key: K, facts?: Facts) => string {
  return (key, facts = {}) =>
    of[language.value][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(facts[name] ?? whole));
}

export const t = translator<Key>(dictionaries);

export const isKey = (key: string): key is Key => key in zh;

// Making one takes longer than a hundred uses of it.
const moments = computed(
  () => new Intl.DateTimeFormat(locale.value, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" }),
);

// In English the month is a word: 03/04 is a different day on each side of the Atlantic.
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Without Intl, whose first use takes some 30 ms: the first image of a reading page would wait for it. */
export function formatDate(da: string | undefined): string {
  const date = dateOf(da);
  if (!date) return da ?? "";
  const [year, month, day] = [date.getFullYear(), date.getMonth(), String(date.getDate()).padStart(2, "0")];
  if (language.value === "zh") return `${year}/${String(month + 1).padStart(2, "0")}/${day}`;
  return `${day} ${MONTHS[month]} ${year}`;
}

export function formatTime(tm: string | undefined): string {
  const match = tm?.match(/^(\d{2}):?(\d{2})?/);
  return match ? `${match[1]}:${match[2] ?? "00"}` : "";
}

/** An Age String (PS3.5 §6.2): 043Y is 43 years. */
export const formatAge = (age: string): string =>
  age.replace(/^0+(?=\d)/, "").replace(/Y$/, t("age.years")).replace(/M$/, t("age.months")).replace(/D$/, t("age.days"));

/** A moment in RFC 3339, in the reader's own time zone. */
export function formatMoment(moment: string | number | null | undefined): string {
  if (!moment) return "";
  return moments.value.format(new Date(moment));
}

export function formatNumber(value: number, digits: number): string {
  return new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = bytes > 0 ? Math.min(Math.floor(Math.log10(bytes) / 3), 3) : 0;
  return `${formatNumber(bytes / 1000 ** power, power > 1 ? 1 : 0)} ${units[power]}`;
}
