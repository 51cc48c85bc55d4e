// The head of every page but the reading page: where one can go, who is signed in, the language.

import type { ComponentChildren, JSX } from "preact";
import { LanguageButton } from "../ui/LanguageButton";
import { may, session, signOut, type Act } from "./session";
import { at } from "./texts";
import "./access.css";

export type PageName = "worklist" | "reports" | "admin";

const PAGES: readonly { name: PageName; href: string; acts: readonly Act[] }[] = [
  { name: "worklist", href: "./", acts: ["search"] },
  { name: "reports", href: "reports.html", acts: ["read-reports"] },
  { name: "admin", href: "admin.html", acts: ["accounts", "audit", "templates"] },
];

export function PageHeader({ here, children }: { here: PageName; children?: ComponentChildren }): JSX.Element {
  const shown = session.value;
  return (
    <header class="page-header">
      <svg class="mark" width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
        <circle cx="16" cy="16" r="12" />
        <path d="M16 4v24M4 16h24" />
      </svg>
      <nav aria-label={at("navigation")}>
        {PAGES.filter((page) => page.acts.some(may)).map((page) => (
          <a key={page.name} href={page.href} aria-current={page.name === here ? "page" : undefined}>
            {at(page.name)}
          </a>
        ))}
      </nav>
      <div class="page-actions">{children}</div>
      <LanguageButton />
      {shown?.account && (
        <>
          <span class="reader" title={at("signedInAs", { name: shown.person?.name ?? shown.account.login })}>
            {shown.person?.name ?? shown.account.login}
          </span>
          <button type="button" class="button" onClick={() => void signOut()}>
            {at("signOut")}
          </button>
        </>
      )}
      {shown?.open && <span class="open-mode">{at("open")}</span>}
    </header>
  );
}
