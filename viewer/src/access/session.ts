// Who reads: the account that is signed in, and what it may do. An archive without accounts is open
// to whoever reaches it (the server allows that on this machine only); the pages say so.

import { computed, signal } from "@preact/signals";
import { lastRequest, Problem, rest, signingIn } from "../net/rest";

export interface Person {
  readonly person_id: string;
  readonly name: string;
  readonly rank: number;
  readonly licence: string;
  readonly qualified_until: string | null;
}

/** What a role may allow: access.caller.Act of the server. */
export const ACTS = [
  "search", "view", "export", "store", "edit", "delete", "order", "transfer", "read-reports", "draft", "sign", "review",
  "manage-reports", "templates", "accounts", "audit", "operate",
] as const;
export type Act = (typeof ACTS)[number];

export interface Session {
  readonly open: boolean;
  readonly account: { readonly account_id: string; readonly login: string } | null;
  readonly person: Person | null;
  readonly acts: readonly string[];
  readonly second_factor: boolean;
  readonly must_enrol: boolean;
  readonly idle_s: number;
  readonly expires_at: string | null;
}

/** Undefined until the server has been asked. */
export const session = signal<Session | undefined>(undefined);

export const reader = computed(() => session.value?.person ?? undefined);

/** Pages hide what may not be done; the server is who forbids it. */
export const may = (act: Act): boolean => session.value?.acts.includes(act) ?? false;

let told: () => void;
/** Resolves when the server has said who reads. */
export const asked = new Promise<void>((resolve) => (told = resolve));

export async function whoReads(): Promise<Session> {
  const { value } = await rest<Session>("GET", "/session", { anonymous: true });
  session.value = value;
  told();
  return value;
}

export async function signIn(login: string, password: string, code: string): Promise<Session> {
  const body = { login, password, ...(code ? { code } : {}) };
  const { value } = await rest<Session>("POST", "/session", { body, anonymous: true });
  session.value = value;
  return value;
}

export async function signOut(): Promise<void> {
  await rest("DELETE", "/session", { anonymous: true }).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error;
  });
  location.href = "signin.html";
}

/**
 * Asks the reader to sign in again once the session has ended, though the page asks for nothing: what it shows
 * is not for whoever comes by. Looking keeps no session alive, because it is done when it must be over.
 */
export function watchEnd(): void {
  const left = (): number => {
    const { idle_s, expires_at } = session.value!;
    const end = Math.min(lastRequest.at + idle_s * 1000, expires_at ? Date.parse(expires_at) : Infinity);
    return Math.min(Math.max(end + 1000 - Date.now(), 1000), 2 ** 31 - 1);
  };
  const look = async (): Promise<void> => {
    if (left() > 1000) return wait();
    const found = await whoReads().catch(() => undefined);
    lastRequest.at = Date.now();
    if (found && !found.open && !found.account) await signingIn.ask?.();
    wait();
  };
  const wait = (): void => {
    window.setTimeout(() => void look(), left());
  };
  if (session.value && !session.value.open) wait();
}

/** Leaves for the sign-in page when nobody is signed in and somebody has to be. */
export async function gate(): Promise<void> {
  const found = await whoReads();
  if (found.open || found.account) return;
  const here = location.pathname.split("/").pop() + location.search + location.hash;
  const language = new URLSearchParams(location.search).get("lang");
  location.replace(`signin.html?${language ? `lang=${language}&` : ""}next=${encodeURIComponent(here)}`);
  await new Promise(() => undefined);
}
