// How the report came to be: issued versions with their documents, revisions and what changed between
// them, texts that were not taken, requests for change, remarks.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { formatMoment } from "../i18n";
import { apiUrl, Problem, rest, withQuery } from "../net/rest";
import { Dialog } from "../ui/dialogs";
import { reasonOf } from "../ui/notices";
import type { Desk } from "./desk";
import { ReasonDialog } from "./ReasonDialog";
import type { Pictures } from "./Editor";
import { requestsOf, SECTIONS, seesUnissued, version, type AmendmentRequest, type Content, type Difference, type Report, type Revision, type Version, type Who } from "./model";
import { ShownContent, Signatures } from "./Shown";
import { rt, rtOr } from "./texts";

export function History({ desk, pictures }: { desk: Desk; pictures: Pictures }): JSX.Element {
  const report = desk.report.value!;
  return (
    <div class="report-history">
      {report.versions.length > 0 && (
        <section>
          <h3>{rt("versions")}</h3>
          {[...report.versions].reverse().map((one) => (
            <IssuedVersion key={one.version} report={report} issued={one} pictures={pictures} open={one.version === report.current_version} />
          ))}
        </section>
      )}
      {report.versions.length > 0 && <Requests desk={desk} report={report} />}
      {seesUnissued() && <Revisions report={report} />}
      {seesUnissued() && <Conflicts report={report} />}
    </div>
  );
}

function IssuedVersion({ report, issued, pictures, open }: { report: Report; issued: Version; pictures: Pictures; open: boolean }): JSX.Element {
  const content = useSignal<Content | undefined>(undefined);
  const shown = useSignal(open);
  useEffect(() => {
    if (shown.value && !content.value) void version(report.report_id, issued.version).then((found) => (content.value = found.content), () => undefined);
  }, [shown.value]);
  return (
    <details class="issued" open={shown.value} onToggle={(event) => (shown.value = event.currentTarget.open)}>
      <summary>
        {rt("versionTitle", { version: issued.version })} · {rtOr("kind", issued.kind)} <small>{formatMoment(issued.issued_at)}</small>
      </summary>
      {issued.reason && (
        <p>
          {rt("reason")}: {issued.reason}
        </p>
      )}
      {content.value && <ShownContent content={content.value} pictures={pictures} />}
      <Signatures signatures={issued.signatures} />
      <Documents path={`/reports/${report.report_id}/versions/${issued.version}`} />
    </details>
  );
}

/** The PDF in the page, the DICOM SR as a file. Either may still be in the making just after issue. */
export function Documents({ path }: { path: string }): JSX.Element {
  const pdf = useSignal<string | undefined>(undefined);
  const said = useSignal("");
  const show = async (patience = 10): Promise<void> => {
    const response = await fetch(apiUrl(`${path}/pdf`));
    if (response.ok) {
      said.value = "";
      pdf.value = URL.createObjectURL(await response.blob());
    } else if (response.status === 409 && patience > 0) {
      said.value = rt("notReady");
      window.setTimeout(() => void show(patience - 1), 1000);
    } else said.value = `${response.status} ${response.statusText}`;
  };
  const close = (): void => {
    if (pdf.value) URL.revokeObjectURL(pdf.value);
    pdf.value = undefined;
  };
  return (
    <p class="documents">
      <button type="button" class="button" onClick={() => void show()}>
        {rt("pdf")}
      </button>
      <a class="button" href={apiUrl(`${path}/sr`)} download>
        {rt("sr")}
      </a>
      <span class="quiet" role="status">{said.value}</span>
      {pdf.value && (
        <Dialog title={rt("pdf")} close={close}>
          <iframe class="report-pdf" src={pdf.value} title={rt("pdf")} />
        </Dialog>
      )}
    </p>
  );
}

function Revisions({ report }: { report: Report }): JSX.Element {
  const revisions = useSignal<readonly Revision[]>([]);
  const from = useSignal(0);
  const to = useSignal(0);
  const difference = useSignal<Difference | undefined>(undefined);
  useEffect(() => {
    void rest<{ revisions: Revision[] }>("GET", `/reports/${report.report_id}/revisions`).then(({ value }) => {
      revisions.value = value.revisions;
      const main = value.revisions.filter((one) => one.branch === "main");
      to.value = main[main.length - 1]?.rev ?? 0;
      from.value = main[main.length - 2]?.rev ?? to.value;
    }, () => undefined);
  }, [report.rev, report.report_id]);
  const compare = async (): Promise<void> => {
    difference.value = (await rest<Difference>("GET", withQuery(`/reports/${report.report_id}/diff`, { from: from.value, to: to.value }))).value;
  };
  const pick = (chosen: typeof from, label: string): JSX.Element => (
    <select aria-label={label} value={chosen.value} onChange={(event) => (chosen.value = Number(event.currentTarget.value))}>
      {revisions.value
        .filter((one) => one.branch === "main")
        .map((one) => (
          <option key={one.rev} value={one.rev}>
            {rt("revision", { rev: one.rev })} · {rtOr("action", one.action)} · {one.author?.name ?? ""} · {formatMoment(one.at)}
          </option>
        ))}
    </select>
  );
  if (revisions.value.length === 0) return <></>;
  return (
    <section>
      <h3>{rt("revisions")}</h3>
      <div class="compare">
        {pick(from, rt("revision", { rev: "A" }))}
        {pick(to, rt("revision", { rev: "B" }))}
        <button type="button" class="button" onClick={() => void compare()}>
          {rt("compareRevisions")}
        </button>
      </div>
      {difference.value && <ShownDifference difference={difference.value} />}
    </section>
  );
}

function ShownDifference({ difference }: { difference: Difference }): JSX.Element {
  const changed = SECTIONS.filter((section) => difference.sections[section]?.some(([sign]) => sign !== "="));
  const fields = Object.entries(difference.fields);
  if (changed.length === 0 && fields.length === 0) return <p class="quiet">{rt("noDifference")}</p>;
  return (
    <div class="difference">
      {changed.map((section) => (
        <section key={section}>
          <h4>{rt(`section.${section}`)}</h4>
          <p>
            {difference.sections[section]!.map(([sign, text], index) =>
              sign === "+" ? <ins key={index}>{text}</ins> : sign === "-" ? <del key={index}>{text}</del> : <span key={index}>{text}</span>,
            )}
          </p>
        </section>
      ))}
      {fields.map(([name, [before, after]]) => (
        <p key={name}>
          {name}: <del>{String(before ?? "")}</del> <ins>{String(after ?? "")}</ins>
        </p>
      ))}
    </div>
  );
}

interface Conflict {
  readonly conflict_id: string;
  readonly author: Who | null;
  readonly at: string;
  readonly content: Content;
}

function Conflicts({ report }: { report: Report }): JSX.Element {
  const conflicts = useSignal<readonly Conflict[]>([]);
  const load = (): void => {
    void rest<{ conflicts: Conflict[] }>("GET", `/reports/${report.report_id}/conflicts`).then(({ value }) => (conflicts.value = value.conflicts), () => undefined);
  };
  useEffect(load, [report.rev, report.report_id]);
  if (conflicts.value.length === 0) return <></>;
  return (
    <section>
      <h3>{rt("conflicts")}</h3>
      {conflicts.value.map((conflict) => (
        <details key={conflict.conflict_id} class="issued">
          <summary>
            {conflict.author?.name ?? ""} <small>{formatMoment(conflict.at)}</small>
          </summary>
          <ShownContent content={conflict.content} />
          <button type="button" class="button" onClick={() => void rest("DELETE", `/reports/${report.report_id}/conflicts/${conflict.conflict_id}`).then(load, () => undefined)}>
            {rt("discard")}
          </button>
        </details>
      ))}
    </section>
  );
}

const CLASSES = ["demographic", "format", "content", "addendum"] as const;

function Requests({ desk, report }: { desk: Desk; report: Report }): JSX.Element {
  const requests = useSignal<readonly AmendmentRequest[]>([]);
  const failed = useSignal("");
  const deciding = useSignal<{ id: string; action: "accept" | "decline" } | undefined>(undefined);
  const chosen = deciding.value;
  const path = `/reports/${report.report_id}/amendment-requests`;
  const load = (): void => {
    void requestsOf(report.report_id).then((found) => (requests.value = found), () => undefined);
  };
  useEffect(load, [report.rev, report.report_id]);
  const send = async (form: HTMLFormElement): Promise<void> => {
    const given = new FormData(form);
    try {
      await rest("POST", path, { body: { class: given.get("class"), text: given.get("text") }, key: crypto.randomUUID() });
      form.reset();
      failed.value = "";
    } catch (error) {
      failed.value = error instanceof Problem ? error.message : String(error);
    }
    load();
  };
  return (
    <section>
      <h3>{rt("requests")}</h3>
      <ul class="requests">
        {requests.value.map((request) => (
          <li key={request.request_id}>
            <b>{rtOr("class", request.class)}</b> {request.text}
            <small>
              {request.requested_by ?? request.requester} · {formatMoment(request.requested_at)}
              {request.decision && ` · ${rtOr("decision", request.decision)} ${request.decided_by ?? ""} ${request.reason ?? ""}`}
            </small>
            {!request.decision && (
              <span class="documents">
                <button type="button" class="button" onClick={() => (deciding.value = { id: request.request_id, action: "accept" })}>
                  {rt("accept")}
                </button>
                <button type="button" class="button" onClick={() => (deciding.value = { id: request.request_id, action: "decline" })}>
                  {rt("decline")}
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
      <form
        class="request"
        onSubmit={(event) => {
          event.preventDefault();
          void send(event.currentTarget);
        }}
      >
        <select name="class" aria-label={rt("requestClass")}>
          {CLASSES.map((name) => (
            <option key={name} value={name}>
              {rt(`class.${name}`)}
            </option>
          ))}
        </select>
        <input name="text" type="text" maxLength={2000} required aria-label={rt("requestText")} placeholder={rt("requestText")} />
        <button type="submit" class="button">
          {rt("send")}
        </button>
      </form>
      {failed.value && <p class="error-text" role="alert">{failed.value}</p>}
      {chosen && (
        <ReasonDialog
          title={rt(chosen.action)}
          close={() => (deciding.value = undefined)}
          done={(reason) => void decide(path, chosen.id, chosen.action, reason).then(() => desk.refresh(), (error: unknown) => (failed.value = reasonOf(error))).then(load)}
        />
      )}
    </section>
  );
}

const decide = (path: string, id: string, action: string, reason: string): Promise<unknown> =>
  rest("POST", `${path}/${id}/actions/${action}`, { body: { reason } });
