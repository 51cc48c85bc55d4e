// The keyboard map: defaults from ACTIONS, changed by the reader, kept in this browser.

import { computed, signal } from "@preact/signals";
import { t } from "../i18n";
import { ACTIONS, type ActionName } from "./actions";
import type { Reading } from "./context";

const KEPT = "keyboard";

function kept(): Partial<Record<ActionName, string>> {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Partial<Record<ActionName, string>>;
  } catch {
    return {};
  }
}

const changed = signal(kept());

export const keymap = computed(() => {
  const map = {} as Record<ActionName, string>;
  for (const name of Object.keys(ACTIONS) as ActionName[]) map[name] = changed.value[name] ?? ACTIONS[name].keys;
  return map;
});

/** Gives a key to an action and takes it from whichever had it. */
export function bind(name: ActionName, key: string): void {
  const next = { ...changed.value };
  for (const [other, held] of Object.entries(keymap.value)) if (held === key) next[other as ActionName] = "";
  next[name] = key;
  changed.value = next;
  localStorage.setItem(KEPT, JSON.stringify(next));
}

export function resetKeys(): void {
  changed.value = {};
  localStorage.removeItem(KEPT);
}

/** A key press as one text: modifiers, then the key. A sign such as ? has its Shift in it already. */
export function describe(event: KeyboardEvent): string {
  const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const sign = key.length === 1 && key === key.toUpperCase();
  const modifiers = [event.ctrlKey && "Ctrl", event.altKey && "Alt", event.metaKey && "Meta", event.shiftKey && !sign && "Shift"];
  return [...modifiers.filter(Boolean), key].join("+");
}

const TYPING = "input, textarea, select, [contenteditable], dialog";

export function listenToKeys(reading: Reading): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as Element;
    if (event.isComposing || target.closest(TYPING)) return;
    const key = describe(event);
    // In the toolbar and the lists, these keys belong to the browser.
    const inside = target.closest("button, a, [role=listbox], summary, iframe");
    if (inside && ["Enter", "Space", "Tab"].includes(key)) return;
    if (key === "Tab" && !target.closest(".pane")) return;
    const found = (Object.entries(keymap.value) as [ActionName, string][]).find(([, bound]) => bound === key);
    if (!found) return;
    event.preventDefault();
    ACTIONS[found[0]].run(reading);
  });
}

const SIGNS: Readonly<Record<string, string>> = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", Delete: "Del", Enter: "↵", PageUp: "PgUp", PageDown: "PgDn" };

/** An action's key, as buttons and menus show it. */
export const shortcut = (name: ActionName): string =>
  keymap.value[name]
    .split("+")
    .map((key) => SIGNS[key] ?? (key === "Space" ? t("key.space") : key.length === 1 ? key.toUpperCase() : key))
    .join("+");
