// What the page has to tell: one notice at a time at the bottom, read out by screen readers.

import { signal } from "@preact/signals";
import type { JSX } from "preact";

export interface Notice {
  readonly kind: "info" | "error";
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const SECONDS = { info: 4, error: 9 } as const;

export const notice = signal<Notice | undefined>(undefined);
let timer = 0;

/** Shows a notice for some seconds; an error, or what can be acted upon, longer. */
export function say(kind: Notice["kind"], text: string, action?: Notice["action"]): void {
  notice.value = { kind, text, action };
  window.clearTimeout(timer);
  timer = window.setTimeout(() => (notice.value = undefined), (action ? 12 : SECONDS[kind]) * 1000);
}

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function Notices(): JSX.Element {
  const shown = notice.value;
  return (
    <div class="notices" role="status" aria-live="polite">
      {shown && (
        <div class={`notice ${shown.kind}`}>
          {shown.text}
          {shown.action && (
            <button type="button" class="button" onClick={shown.action.run}>
              {shown.action.label}
            </button>
          )}
        </div>
      )}
    </div>
  );
}
