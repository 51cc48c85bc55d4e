import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { t } from "../i18n";
import { Dialog } from "../ui/dialogs";
import { ACTIONS, type ActionName } from "./actions";
import { bind, describe, resetKeys, shortcut } from "./keys";

/** The keyboard map; a press on a key changes it. */
export function Help({ close }: { close: () => void }): JSX.Element {
  const changing = useSignal<ActionName | undefined>(undefined);
  const press = (event: KeyboardEvent): void => {
    const name = changing.value;
    if (!name || ["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    void bind(name, describe(event));
    changing.value = undefined;
  };
  return (
    <Dialog title={t("help.title")} close={close} wide>
      <p class="help-note">
        {t("help.mouse")} {t("help.touch")}
      </p>
      <div class="keymap" onKeyDown={press}>
        {(Object.keys(ACTIONS) as ActionName[]).map((name) => (
          <div key={name}>
            <span>{t(ACTIONS[name].label)}</span>
            <button type="button" onClick={() => (changing.value = name)}>
              <span class="hidden">{`${t("help.change")}: ${t(ACTIONS[name].label)} `}</span>
              {changing.value === name ? t("help.press") : <kbd>{shortcut(name) || "—"}</kbd>}
            </button>
          </div>
        ))}
      </div>
      <footer>
        <button type="button" class="button" onClick={() => void resetKeys()}>
          {t("help.reset")}
        </button>
      </footer>
    </Dialog>
  );
}
