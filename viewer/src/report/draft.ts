// The text being written. Every change is saved a moment later; what the server has not taken yet is
// kept in this browser, so that a lost connection, an ended session or a closed page loses nothing.

import { signal } from "@preact/signals";
import { Problem, Unreachable } from "../net/rest";
import { save, working, type Content, type Report } from "./model";

export const SAVE_AFTER_MS = 1200;
const RETRY_AFTER_MS = 5000;

export type DraftState =
  | { readonly kind: "saved"; readonly at: number }
  | { readonly kind: "changed" }
  | { readonly kind: "saving" }
  /** Not taken yet: no connection, or a refusal that may pass. It is tried again. */
  | { readonly kind: "waiting"; readonly reason: string }
  /** Somebody else saved first. The server has kept this text beside theirs. */
  | { readonly kind: "conflict"; readonly theirs: Content; readonly etag: string }
  /** The server will not take it: the lease has gone to somebody else, or the report has moved on. */
  | { readonly kind: "refused"; readonly reason: string };

interface Kept {
  readonly content: Content;
  readonly etag: string;
  readonly at: number;
}

export class Draft {
  readonly content;
  readonly state = signal<DraftState>({ kind: "saved", at: Date.now() });
  readonly hash = signal("");
  /** An earlier page's text that the server never got. */
  readonly recovered = signal<Kept | undefined>(undefined);
  private timer = 0;
  private running: Promise<void> | undefined;
  private closed = false;

  private constructor(
    readonly report: string,
    private readonly person: string,
    content: Content,
    public etag: string,
    hash: string,
    /** Told about every revision the server has taken. */
    private readonly taken: (etag: string) => void,
  ) {
    this.content = signal(content);
    this.hash.value = hash;
    const kept = this.kept();
    if (kept && JSON.stringify(kept.content) !== JSON.stringify(content)) this.recovered.value = kept;
    else this.forget();
  }

  static async open(report: Report, person: string, taken: (etag: string) => void): Promise<Draft> {
    const { value, etag } = await working(report.report_id);
    return new Draft(report.report_id, person, value, etag || report.etag, report.content_hash, taken);
  }

  change(part: Partial<Content>): void {
    this.content.value = { ...this.content.value, ...part };
    this.keep();
    if (this.state.value.kind === "conflict" || this.state.value.kind === "refused") return;
    this.state.value = { kind: "changed" };
    this.schedule(SAVE_AFTER_MS);
  }

  /** Saves now; resolves when everything typed so far is on the server or has been refused. */
  async flush(): Promise<boolean> {
    window.clearTimeout(this.timer);
    while (this.running) await this.running;
    if (this.state.value.kind === "changed" || this.state.value.kind === "waiting") await this.run();
    return this.state.value.kind === "saved";
  }

  /** Ends a conflict: `content` is saved upon what the other one wrote. */
  resolve(content: Content): void {
    if (this.state.value.kind !== "conflict") return;
    this.etag = this.state.value.etag;
    this.state.value = { kind: "changed" };
    this.change(content);
  }

  recover(): void {
    const kept = this.recovered.value;
    this.recovered.value = undefined;
    if (kept) this.change(kept.content);
  }

  discard(): void {
    this.recovered.value = undefined;
    this.forget();
  }

  /** The report has another revision now, by an action: the next save is upon that. */
  moved(etag: string, hash: string): void {
    this.etag = etag;
    this.hash.value = hash;
  }

  close(): void {
    this.closed = true;
    window.clearTimeout(this.timer);
  }

  private schedule(milliseconds: number): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.run(), milliseconds);
  }

  private run(): Promise<void> {
    this.running ??= this.send().finally(() => (this.running = undefined));
    return this.running;
  }

  private async send(): Promise<void> {
    const content = this.content.value;
    this.state.value = { kind: "saving" };
    try {
      const saved = await save(this.report, content, this.etag);
      this.etag = saved.etag;
      this.hash.value = saved.content_hash;
      this.taken(saved.etag);
      if (this.content.value === content) {
        this.forget();
        this.state.value = { kind: "saved", at: Date.now() };
      } else {
        this.keep();
        this.state.value = { kind: "changed" };
        if (!this.closed) this.schedule(SAVE_AFTER_MS);
      }
    } catch (error) {
      await this.failed(error);
    }
  }

  private async failed(error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof Problem && error.status === 412) {
      try {
        const { value, etag } = await working(this.report);
        this.state.value = { kind: "conflict", theirs: value, etag };
        return;
      } catch {
        // Their text cannot be had now: tried again with the save.
      }
    } else if (error instanceof Problem && error.status < 500 && error.status !== 401 && error.status !== 429) {
      this.state.value = { kind: "refused", reason };
      return;
    } else if (!(error instanceof Problem) && !(error instanceof Unreachable)) throw error;
    this.state.value = { kind: "waiting", reason };
    if (!this.closed) this.schedule(RETRY_AFTER_MS);
  }

  // ---- what this browser keeps ----

  private get key(): string {
    return `draft:${this.report}:${this.person}`;
  }

  private keep(): void {
    localStorage.setItem(this.key, JSON.stringify({ content: this.content.value, etag: this.etag, at: Date.now() } satisfies Kept));
  }

  private kept(): Kept | undefined {
    try {
      return (JSON.parse(localStorage.getItem(this.key) ?? "null") as Kept | null) ?? undefined;
    } catch {
      return undefined;
    }
  }

  private forget(): void {
    localStorage.removeItem(this.key);
  }
}
