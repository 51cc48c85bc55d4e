import type { JSX } from "preact";
import { language, setLanguage } from "../i18n";

/** Changes to the other language, and is named in it. */
export function LanguageButton({ short }: { short?: boolean }): JSX.Element {
  const chinese = language.value === "zh";
  const name = chinese ? "English" : "中文";
  const shown = short ? (chinese ? "EN" : "中") : name;
  // What is read out begins with what is seen (WCAG 2.5.3).
  const label = name.startsWith(shown) ? name : `${shown} ${name}`;
  return (
    <button type="button" class="icon-button" lang={chinese ? "en" : "zh"} title={name} aria-label={label} onClick={() => setLanguage(chinese ? "en" : "zh")}>
      {shown}
    </button>
  );
}
