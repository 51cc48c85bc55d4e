import type { JSX } from "preact";
import { language, setLanguage } from "../i18n";

/** Changes to the other language, and is named in it. */
export function LanguageButton({ short }: { short?: boolean }): JSX.Element {
  const chinese = language.value === "zh";
  const name = chinese ? "English" : "中文";
  return (
    <button type="button" class="icon-button" lang={chinese ? "en" : "zh"} title={name} aria-label={name} onClick={() => setLanguage(chinese ? "en" : "zh")}>
      {short ? (chinese ? "EN" : "中") : name}
    </button>
  );
}
