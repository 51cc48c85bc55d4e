// Login, password and, when the server asks for it, the code of the second factor. An account that
// has to have a second factor and has none yet enrols it here.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { Problem, rest, Unreachable } from "../net/rest";
import { signIn, whoReads } from "./session";
import { at } from "./texts";

function reason(error: unknown, withCode: boolean): string {
  if (error instanceof Unreachable) return at("unreachable");
  if (!(error instanceof Problem)) return String(error);
  if (error.status === 429) return at("locked", { minutes: Math.max(1, Math.ceil(Number(error.members["retry_after_s"] ?? 60) / 60)) });
  if (error.type === "login-failed") return at(withCode ? "wrongCode" : "failed");
  return error.message;
}

export function SignInForm({ done }: { done: () => void }): JSX.Element {
  const failed = useSignal("");
  const busy = useSignal(false);
  const needsCode = useSignal(false);
  const secret = useSignal<{ secret: string; uri: string } | undefined>(undefined);
  const form = useRef<HTMLFormElement>(null);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const given = new FormData(form.current!);
    const code = String(given.get("code") ?? "").replace(/\s/g, "");
    busy.value = true;
    failed.value = "";
    try {
      const session = await signIn(String(given.get("login")), String(given.get("password")), code);
      if (session.must_enrol) secret.value = (await rest<{ secret: string; uri: string }>("POST", "/session/second-factor", { anonymous: true })).value;
      else done();
    } catch (error) {
      if (error instanceof Problem && error.type === "second-factor-required") needsCode.value = true;
      else failed.value = reason(error, needsCode.value);
    }
    busy.value = false;
  };

  const enrol = async (event: Event): Promise<void> => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget as HTMLFormElement).get("code") ?? "").replace(/\s/g, "");
    try {
      await rest("PUT", "/session/second-factor", { body: { code }, anonymous: true });
      await whoReads();
      done();
    } catch (error) {
      failed.value = reason(error, true);
    }
  };

  if (secret.value)
    return (
      <form class="sign-in" onSubmit={(event) => void enrol(event)}>
        <h2>{at("enrol")}</h2>
        <p>{at("enrolText")}</p>
        <p class="field">
          {at("enrolSecret")}
          <code>{secret.value.secret.replace(/(.{4})/g, "$1 ")}</code>
        </p>
        <p>
          <a href={secret.value.uri}>{at("enrolOpen")}</a>
        </p>
        <Code />
        <p class="error-text" role="alert">{failed.value}</p>
        <button type="submit" class="button primary">{at("confirm")}</button>
      </form>
    );
  return (
    <form class="sign-in" ref={form} onSubmit={(event) => void submit(event)}>
      <label class="field">
        {at("login")}
        <input name="login" type="text" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus />
      </label>
      <label class="field">
        {at("password")}
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      {needsCode.value && <Code />}
      <p class="error-text" role="alert">{failed.value}</p>
      <button type="submit" class="button primary" disabled={busy.value}>
        {at("submit")}
      </button>
    </form>
  );
}

function Code(): JSX.Element {
  return (
    <label class="field">
      {at("code")}
      <input name="code" type="text" inputMode="numeric" autocomplete="one-time-code" pattern="[0-9 ]{6,7}" required autofocus />
    </label>
  );
}
