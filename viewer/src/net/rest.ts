// The REST interface, /api/v1: JSON, entity tags, problems by their type (RFC 9457). A request that
// the server will only answer to somebody waits until somebody has signed in, and is sent again.

import { problemText, typeOf } from "./problems";

export class Problem extends Error {
  /** The last part of the problem's type: "stale-revision"; "" for none. */
  readonly type: string;

  constructor(
    readonly status: number,
    readonly members: Readonly<Record<string, unknown>>,
  ) {
    super(problemText(status, members));
    this.type = typeOf(members);
  }
}

/** The server could not be reached: what was to be sent has not been received. */
export class Unreachable extends Error {}

export interface Answer<T> {
  readonly value: T;
  readonly etag: string;
  readonly status: number;
}

export interface Asked {
  readonly body?: unknown;
  readonly ifMatch?: string;
  /** Idempotency-Key: the same key and body twice are done once. */
  readonly key?: string;
  readonly signal?: AbortSignal;
  /** The page asks by itself and nobody has touched it: no use of the session (net/attended.ts). */
  readonly unattended?: boolean;
  /** What is done about 401: by default the reader is asked to sign in. */
  readonly anonymous?: boolean;
}

/** `ask` has the reader sign in and resolves when that is done; `doneAt` is when it last was, by performance.now(). Set by access/SignInDialog. */
export const signingIn: { ask: (() => Promise<void>) | undefined; doneAt: number } = { ask: undefined, doneAt: -Infinity };

/** When the server was last asked for anything by somebody, ms since the epoch: that is what keeps a session from being idle. */
export const lastRequest = { at: Date.now() };

const UNATTENDED = "Unattended";

/** fetch(), again after the reader has signed in where the server would only answer to somebody. */
export async function fetchSignedIn(url: string | URL, options: RequestInit = {}): Promise<Response> {
  if (!new Headers(options.headers).has(UNATTENDED)) lastRequest.at = Date.now();
  const sent = performance.now();
  const response = await fetch(url, options);
  if (response.status !== 401 || !signingIn.ask) return response;
  // What was sent before the reader had signed in, and refused after it, asks nobody once more.
  if (sent >= signingIn.doneAt) await signingIn.ask();
  return fetch(url, options);
}

/** `path` below /api/v1. Raises Problem, and Unreachable when no answer came. */
export async function rest<T>(method: string, path: string, how: Asked = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (how.body !== undefined) headers["Content-Type"] = "application/json";
  if (how.ifMatch) headers["If-Match"] = how.ifMatch;
  if (how.key) headers["Idempotency-Key"] = how.key;
  if (how.unattended) headers[UNATTENDED] = "?1";
  let response: Response;
  try {
    response = await (how.anonymous ? fetch : fetchSignedIn)(apiUrl(path), {
      method,
      headers,
      body: how.body === undefined ? undefined : JSON.stringify(how.body),
      signal: how.signal,
      cache: "no-store",
    });
  } catch (error) {
    if (how.signal?.aborted) throw error;
    throw new Unreachable(error instanceof Error ? error.message : String(error));
  }
  const text = await response.text();
  const body = text ? parsed(text) : {};
  if (!response.ok) {
    const members = (typeof body === "object" && body !== null ? body : { detail: text.slice(0, 300) }) as Record<string, unknown>;
    throw new Problem(response.status, members);
  }
  return { value: body as T, etag: response.headers.get("ETag") ?? "", status: response.status };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Absolute, so that it works below a proxy's prefix too: the pages lie beside /api. */
export const apiUrl = (path: string): string => new URL(`api/v1${path}`, new URL(".", location.href)).href;

export const withQuery = (path: string, query: Readonly<Record<string, string | number | undefined>>): string => {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== "") parameters.set(name, String(value));
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
};
