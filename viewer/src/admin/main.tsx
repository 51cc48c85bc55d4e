// The administration page: admin.html#people | roles | tokens | identities | templates | phrases | audit

import { effect, signal } from "@preact/signals";
import { render, type ComponentType, type JSX } from "preact";
import { PageHeader } from "../access/PageHeader";
import { SignInDialog } from "../access/SignInDialog";
import { gate, may, type Act } from "../access/session";
import { locale } from "../i18n";
import { Notices } from "../ui/notices";
import { Audit } from "./Audit";
import { Identities, People, Roles, Tokens } from "./People";
import { dt } from "./texts";
import { Phrases, Templates } from "./Writing";
import "../ui/base.css";
import "./admin.css";

const TABS = {
  people: { act: "accounts", shown: People },
  roles: { act: "accounts", shown: Roles },
  tokens: { act: "accounts", shown: Tokens },
  identities: { act: "accounts", shown: Identities },
  templates: { act: "templates", shown: Templates },
  phrases: { act: "templates", shown: Phrases },
  audit: { act: "audit", shown: Audit },
} as const satisfies Record<string, { act: Act; shown: ComponentType }>;
type TabName = keyof typeof TABS;

const hash = signal(location.hash.slice(1));
window.addEventListener("hashchange", () => (hash.value = location.hash.slice(1)));

function Page(): JSX.Element {
  const names = (Object.keys(TABS) as TabName[]).filter((name) => may(TABS[name].act));
  const name = names.find((one) => one === hash.value) ?? names[0];
  const Shown = name && TABS[name].shown;
  return (
    <>
      <PageHeader here="admin" />
      <main class="admin">
        <h1 class="hidden">{dt("title")}</h1>
        <nav class="lists" aria-label={dt("title")}>
          {names.map((one) => (
            <a key={one} href={`#${one}`} aria-current={one === name ? "true" : undefined}>
              {dt(`tab.${one}`)}
            </a>
          ))}
        </nav>
        {Shown && <Shown key={name} />}
      </main>
      <Notices />
      <SignInDialog />
    </>
  );
}

effect(() => {
  document.documentElement.lang = locale.value;
  document.title = dt("title");
});
await gate();
render(<Page />, document.getElementById("app")!);
