// The REST interface, /api/v1: JSON, entity tags, problems by their type (RFC 9457). A request that
// the server will only answer to somebody waits until somebody has signed in, and is sent again.

export class Problem extends Error {
  constructor(
    readonly status: number,
    /** The last part of the problem's type: "stale-revision"; "" for none. */
    readonly type: string,
    readonly members: Readonly<Record<string, unknown>>,
  ) {
    super(typeof members["detail"] === "string" ? members["detail"] : `HTTP ${status}`);
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

/** Asks the reader to sign in; resolves when that is done. Set by access/SignInDialog. */
export const signingIn: { ask: (() => Promise<void>) | undefined } = { ask: undefined };

/** `path` below /api/v1. Raises Problem, and Unreachable when no answer came. */
export async function rest<T>(method: string, path: string, asked: Asked = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  if (asked.ifMatch) headers["If-Match"] = asked.ifMatch;
  if (asked.key) headers["Idempotency-Key"] = asked.key;
  if (asked.unattended) headers["Unattended"] = "?1";
  let response: Response;
  try {
    response = await fetch(apiUrl(path), {
      method,
      headers,
      body: asked.body === undefined ? undefined : JSON.stringify(asked.body),
      signal: asked.signal,
      cache: "no-store",
    });
  } catch (error) {
    if (asked.signal?.aborted) throw error;
    throw new Unreachable(error instanceof Error ? error.message : String(error));
  }
  if (response.status === 401 && !asked.anonymous && signingIn.ask) {
    await signingIn.ask();
    return rest(method, path, { ...asked, anonymous: true });
  }
  const text = await response.text();
  const body = text ? parsed(text) : {};
  if (!response.ok) {
    const members = (typeof body === "object" && body !== null ? body : { detail: text.slice(0, 300) }) as Record<string, unknown>;
    const type = typeof members["type"] === "string" ? members["type"].replace(/^.*\//, "") : "";
    throw new Problem(response.status, type === "about:blank" ? "" : type, members);
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
