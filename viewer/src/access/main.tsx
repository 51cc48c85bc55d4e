// The sign-in page: signin.html[?next=page]

import { effect } from "@preact/signals";
import { render, type JSX } from "preact";
import { locale } from "../i18n";
import { LanguageButton } from "../ui/LanguageButton";
import { SignInForm } from "./SignInForm";
import { whoReads } from "./session";
import { at } from "./texts";
import "../ui/base.css";
import "./access.css";

/** A page of ours, never another site: only a name beside this page. */
function next(): string {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  return /^[a-z]*(\.html)?(\?[^#]*)?(#.*)?$/.test(wanted) ? wanted || "./" : "./";
}

function Page(): JSX.Element {
  return (
    <main class="sign-in-page">
      <section>
        <h1>{at("title")}</h1>
        <SignInForm done={() => location.replace(next())} />
        <p class="language">
          <LanguageButton />
        </p>
      </section>
    </main>
  );
}

effect(() => {
  document.documentElement.lang = locale.value;
  document.title = at("title");
});
render(<Page />, document.getElementById("app")!);
void whoReads()
  .then((session) => {
    if (session.open || (session.account && !session.must_enrol)) location.replace(next());
  })
  .catch(() => undefined);
