// What the reader has set for himself: with his account where there are accounts, in this browser
// where there are none. What two browsers of his change meanwhile, both keep: a change is a function,
// done again on what the other one has left.

import { signal, type Signal } from "@preact/signals";
import { Problem, rest } from "../net/rest";
import { reasonOf, say } from "../ui/notices";
import { asked, session } from "./session";

/** Changes by somebody else that are put up with, one after another. */
const ATTEMPTS = 5;

interface Preference<T> {
  readonly value: T | null;
}

export class Kept<T extends object> {
  readonly value: Signal<T>;
  /** Resolves when the value is here. Without it the page works as where nothing was ever set. */
  readonly ready: Promise<void>;
  private etag = "";

  /** `name` is the preference's, and, behind `viewer.`, the browser's; `shared`: of everybody. */
  constructor(
    private readonly name: string,
    private readonly none: T,
    private readonly shared = false,
  ) {
    this.value = signal(none);
    this.ready = asked.then(() => this.load()).catch((error: unknown) => say("error", reasonOf(error)));
  }

  /** Resolves when it is kept. */
  async change(next: (held: T) => T): Promise<void> {
    await this.ready;
    this.value.value = next(this.value.value);
    try {
      await (this.withAccount ? this.put(next) : this.keepHere());
    } catch (error) {
      say("error", reasonOf(error));
    }
  }

  /** There is nothing for everybody where everybody is one. */
  private get withAccount(): boolean {
    return session.value?.person != null;
  }

  private get path(): string {
    return `/preferences/${this.shared ? "shared/" : ""}${this.name}`;
  }

  private async load(): Promise<void> {
    if (!this.withAccount) {
      if (!this.shared) this.value.value = this.here();
      return;
    }
    const { value, etag } = await rest<Preference<T>>("GET", this.path);
    this.etag = etag;
    this.value.value = value.value ?? this.none;
  }

  private async put(next: (held: T) => T): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { etag } = await rest("PUT", this.path, { body: { value: this.value.value }, ifMatch: this.etag });
        this.etag = etag;
        return;
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 412 || attempt === ATTEMPTS) throw error;
        await this.load();
        this.value.value = next(this.value.value);
      }
    }
  }

  private here(): T {
    try {
      return (JSON.parse(localStorage.getItem(`viewer.${this.name}`) ?? "null") as T | null) ?? this.none;
    } catch {
      return this.none;
    }
  }

  private keepHere(): void {
    localStorage.setItem(`viewer.${this.name}`, JSON.stringify(this.value.value));
  }
}
