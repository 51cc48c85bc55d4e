// The keyboard map: defaults from ACTIONS, changed by the reader, kept with his account or, where
// there are none, in this browser.

import { computed } from "@preact/signals";
import { Kept } from "../access/kept";
import { t } from "../i18n";
import { ACTIONS, type ActionName } from "./actions";
import type { Reading } from "./context";

type Changed = Partial<Record<ActionName, string>>;

const changed = new Kept<Changed>("keyboard", {});

const mapOf = (changes: Changed): Record<ActionName, string> => {
  const map = {} as Record<ActionName, string>;
  for (const name of Object.keys(ACTIONS) as ActionName[]) map[name] = changes[name] ?? ACTIONS[name].keys;
  return map;
};

export const keymap = computed(() => mapOf(changed.value.value));

/** Gives a key to an action and takes it from whichever had it. */
export const bind = (name: ActionName, key: string): Promise<void> =>
  changed.change((held) => {
    const next = { ...held };
    for (const [other, its] of Object.entries(mapOf(held))) if (its === key) next[other as ActionName] = "";
    next[name] = key;
    return next;
  });

export const resetKeys = (): Promise<void> => changed.change(() => ({}));

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
