// The audit: searched, paged to the past, verified.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { formatMoment, formatNumber } from "../i18n";
import { rest, withQuery } from "../net/rest";
import { reasonOf, say } from "../ui/notices";
import { textOf } from "./parts";
import { dt } from "./texts";

interface AuditEvent {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly address: string;
  readonly action: string;
  readonly subject: string;
  readonly outcome: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

interface Verified {
  readonly ok: boolean;
  readonly checked: number;
  readonly first_bad: number | null;
  readonly reason: string | null;
}

const moment = (date: string): string | undefined => (date ? new Date(date).toISOString() : undefined);

export function Audit(): JSX.Element {
  const events = useSignal<readonly AuditEvent[]>([]);
  const next = useSignal<number | null>(null);
  const asked = useSignal<Record<string, string | undefined>>({});
  const verified = useSignal<Verified | undefined>(undefined);
  const busy = useSignal(false);
  const load = async (before?: number): Promise<void> => {
    busy.value = true;
    try {
      const { value } = await rest<{ events: AuditEvent[]; next: number | null }>("GET", withQuery("/audit", { ...asked.value, before, limit: 100 }));
      events.value = before === undefined ? value.events : [...events.value, ...value.events];
      next.value = value.next;
    } catch (error) {
      say("error", dt("failed", { reason: reasonOf(error) }));
    }
    busy.value = false;
  };
  useEffect(() => void load(), []);
  const verify = async (): Promise<void> => {
    busy.value = true;
    try {
      verified.value = (await rest<Verified>("POST", "/audit/verify", { body: {} })).value;
    } catch (error) {
      say("error", dt("failed", { reason: reasonOf(error) }));
    }
    busy.value = false;
  };
  const outcome = verified.value;
  return (
    <>
      <form
        class="audit-filters"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          const given = new FormData(event.currentTarget);
          asked.value = {
            actor: textOf(given, "actor"),
            action: textOf(given, "action"),
            subject: textOf(given, "subject"),
            outcome: textOf(given, "outcome"),
            since: moment(textOf(given, "since")),
            until: moment(textOf(given, "until")),
          };
          void load();
        }}
      >
        {(["actor", "action", "subject"] as const).map((name) => (
          <label key={name} class="field">
            {dt(`audit.${name}`)}
            <input name={name} type="search" maxLength={200} />
          </label>
        ))}
        <label class="field">
          {dt("audit.outcome")}
          <select name="outcome">
            <option value="">{dt("audit.any")}</option>
            <option value="success">{dt("audit.success")}</option>
            <option value="failure">{dt("audit.failure")}</option>
          </select>
        </label>
        {(["since", "until"] as const).map((name) => (
          <label key={name} class="field">
            {dt(`audit.${name}`)}
            <input name={name} type="datetime-local" />
          </label>
        ))}
        <button type="submit" class="button primary" disabled={busy.value}>
          {dt("audit.search")}
        </button>
        <button type="button" class="button" disabled={busy.value} onClick={() => void verify()}>
          {dt("audit.verify")}
        </button>
      </form>
      {outcome && (
        <p class={outcome.ok ? "once" : "once bad"} role="status">
          {outcome.ok
            ? dt("audit.ok", { checked: formatNumber(outcome.checked, 0) })
            : dt("audit.bad", { seq: outcome.first_bad ?? "?", reason: outcome.reason ?? "" })}
        </p>
      )}
      <div class="admin-scroll" tabIndex={0}>
        <table class="admin-table">
          <thead>
            <tr>
              {(["at", "actor", "action", "subject", "outcome", "address", "detail"] as const).map((name) => (
                <th key={name} scope="col">
                  {dt(`audit.${name}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {events.value.map((event) => (
              <tr key={event.seq} class={event.outcome === "failure" ? "failure" : ""}>
                <td>{formatMoment(event.at)}</td>
                <td>{event.actor}</td>
                <td>{event.action}</td>
                <td class="long">{event.subject}</td>
                <td>{event.outcome === "success" ? dt("audit.success") : dt("audit.failure")}</td>
                <td>{event.address || "—"}</td>
                <td class="long">{Object.keys(event.detail).length > 0 ? JSON.stringify(event.detail) : ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {next.value !== null && events.value.length > 0 && (
          <button type="button" class="button more" disabled={busy.value} onClick={() => void load(next.value!)}>
            {dt("audit.more")}
          </button>
        )}
      </div>
    </>
  );
}
