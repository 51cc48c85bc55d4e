// The page's language. Chinese defines the keys; English must have them all. Dates and numbers by Intl.

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

export function formatDate(da: string | undefined): string {
  const date = dateOf(da);
  if (!date) return da ?? "";
  // In English the month is a word: 03/04 is a different day on each side of the Atlantic.
  const month = language.value === "zh" ? "2-digit" : "short";
  return new Intl.DateTimeFormat(locale.value, { year: "numeric", month, day: "2-digit" }).format(date);
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
  return new Intl.DateTimeFormat(locale.value, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" }).format(new Date(moment));
}

export function formatNumber(value: number, digits: number): string {
  return new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = bytes > 0 ? Math.min(Math.floor(Math.log10(bytes) / 3), 3) : 0;
  return `${formatNumber(bytes / 1000 ** power, power > 1 ? 1 : 0)} ${units[power]}`;
}
