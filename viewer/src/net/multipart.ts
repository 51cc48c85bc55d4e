// multipart/related as it streams in: RFC 2046 §5.1, with the headers DICOMweb puts on parts.

export interface Part {
  readonly headers: ReadonlyMap<string, string>; // names in lower case
  readonly body: Uint8Array;
}

export function boundaryOf(contentType: string): string | undefined {
  const match = contentType.match(/boundary=(?:"([^"]+)"|([^;\s]+))/i);
  return match?.[1] ?? match?.[2];
}

export function parameterOf(contentType: string, name: string): string | undefined {
  const match = contentType.match(new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;\\s]+))`, "i"));
  return match?.[1] ?? match?.[2];
}

const CRLF2 = new Uint8Array([13, 10, 13, 10]);

/** Yields each part as soon as it is complete. Throws when the stream ends inside a part. */
export async function* parts(stream: ReadableStream<Uint8Array>, boundary: string): AsyncGenerator<Part> {
  const delimiter = new TextEncoder().encode(`--${boundary}`);
  const reader = stream.getReader();
  let held = new Uint8Array(1 << 16);
  let start = 0; // what is before has been given out
  let end = 0;
  const more = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    if (done) return false;
    if (end + value.length > held.length) {
      const grown = new Uint8Array(Math.max((end - start + value.length) * 2, held.length));
      grown.set(held.subarray(start, end));
      end -= start;
      start = 0;
      held = grown;
    }
    held.set(value, end);
    end += value.length;
    return true;
  };
  /** Position of `pattern` at or after `from`, relative to `start`, reading on as needed. */
  const find = async (pattern: Uint8Array, from: number): Promise<number> => {
    let seen = from;
    for (;;) {
      const at = indexOf(held.subarray(start, end), pattern, seen);
      if (at >= 0) return at;
      seen = Math.max(end - start - pattern.length + 1, from);
      if (!(await more())) return -1;
    }
  };
  try {
    const first = await find(delimiter, 0);
    if (first < 0) throw new Error("multipart answer without its boundary");
    start += first;
    for (;;) {
      while (end - start < delimiter.length + 2) if (!(await more())) return;
      const after = start + delimiter.length;
      if (held[after] === 0x2d && held[after + 1] === 0x2d) {
        // Read to the end: a body left unread is a connection that cannot be used again.
        while (!(await reader.read()).done);
        return;
      }
      const headEnd = await find(CRLF2, delimiter.length);
      if (headEnd < 0) throw new Error("multipart answer ends in a part's header");
      const headers = headersOf(held.subarray(start + delimiter.length, start + headEnd));
      const bodyAt = headEnd + 4;
      const declared = Number(headers.get("content-length") ?? NaN);
      const next = await find(delimiter, bodyAt + (Number.isFinite(declared) ? declared : 0));
      if (next < 0) throw new Error("multipart answer ends inside a part");
      yield { headers, body: held.slice(start + bodyAt, start + next - 2) };
      start += next;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function headersOf(bytes: Uint8Array): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of new TextDecoder().decode(bytes).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

export function indexOf(bytes: Uint8Array, pattern: Uint8Array, from: number): number {
  const first = pattern[0]!;
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + pattern.length > bytes.length) return -1;
    let i = 1;
    while (i < pattern.length && bytes[at + i] === pattern[i]) i++;
    if (i === pattern.length) return at;
  }
  return -1;
}
