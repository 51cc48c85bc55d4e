// What is shown before something is signed: all of it, and what the self-check found.

import { useSignal } from "@preact/signals";
import { Fragment, type JSX } from "preact";
import { useEffect } from "preact/hooks";
import { reader } from "../access/session";
import { formatAge, formatDate, formatMoment, formatTime, t } from "../i18n";
import { Dialog } from "../ui/dialogs";
import { reasonOf } from "../ui/notices";
import type { Desk } from "./desk";
import { load, type Exam } from "./model";
import { ReasonDialog } from "./ReasonDialog";
import { ShownContent } from "./Shown";
import { rt, rtOr } from "./texts";

/** All that will be signed, the checks, and the hash the signature covers. */
export function SignDialog({ desk, action, close }: { desk: Desk; action: string; close: () => void }): JSX.Element {
  const draft = desk.draft.value!;
  const blocking = desk.findings.value.some((finding) => finding.severity === "block" && !finding.overridden);
  const saved = draft.state.value.kind === "saved";
  const reading = reader.value;
  const late = desk.report.value?.late_images ?? undefined;
  const seen = useSignal<string | undefined>(undefined);
  const exams = useSignal<readonly Exam[] | undefined>(undefined);
  const failed = useSignal("");
  const report = desk.report.value!.report_id;
  // As the server has them now: a patient may have been corrected since this page was opened.
  useEffect(() => {
    load(report).then(
      (now) => (exams.value = now.exams),
      (error: unknown) => (failed.value = reasonOf(error)),
    );
  }, [report]);
  return (
    <Dialog title={rtOr("action", action)} close={close}>
      <div class="sign">
        <p>{rt("signText")}</p>
        <About exams={exams.value} />
        {failed.value && <p class="error-text" role="alert">{failed.value}</p>}
        {reading && (
          <p class="signer">
            <b>{reading.name}</b> {rtOr("rank", String(reading.rank))} {reading.licence}
          </p>
        )}
        <div class="sign-content">
          <ShownContent content={draft.content.value} />
        </div>
        <p class="quiet">
          {rt("signHash")} <code>{draft.hash.value.slice(0, 16)}</code>
        </p>
        <Findings desk={desk} />
        {late && (
          <label class="report-message error">
            <input type="checkbox" name="images-seen" checked={seen.value === late} onChange={(event) => (seen.value = event.currentTarget.checked ? late : undefined)} />{" "}
            {rt("lateSeen", { time: formatMoment(late) })}
          </label>
        )}
        {desk.failed.value && <p class="error-text" role="alert">{desk.failed.value}</p>}
        <footer>
          <button type="button" class="button" onClick={close}>
            {rt("cancel")}
          </button>
          <button
            type="button"
            class="button primary"
            disabled={blocking || !saved || !exams.value || desk.busy.value || seen.value !== late}
            onClick={() => void desk.act(action, { content_hash: draft.hash.value, ...(late ? { images_seen: late } : {}) }).then((done) => done && close())}
          >
            {rt("signTitle")}
          </button>
        </footer>
      </div>
    </Dialog>
  );
}

/** Whose exam it is, as will be signed. */
function About({ exams }: { exams: readonly Exam[] | undefined }): JSX.Element {
  if (!exams) return <p class="quiet">{rt("signAbout")}</p>;
  return (
    <dl class="sign-about">
      {exams.map((exam) => {
        const { patient } = exam;
        const sex = patient.sex === "M" || patient.sex === "F" || patient.sex === "O" ? t(`sex.${patient.sex}`) : "";
        const id = [patient.patient_id || "—", patient.issuer].filter(Boolean).join(" / ");
        const born = patient.birth_date && `${rt("signBorn")} ${formatDate(patient.birth_date)}`;
        const when = `${formatDate(exam.performed.slice(0, 8)) || "—"} ${formatTime(exam.performed.slice(8))}`.trim();
        return (
          <Fragment key={exam.exam_id}>
            <dt>{rt("signPatient")}</dt>
            <dd>
              <b>{[patient.ideographic.replace(/\^/g, ""), patient.name.replace(/\^/g, " ").trim()].filter(Boolean).join(" ") || "—"}</b>{" "}
              {[`ID ${id}`, sex, formatAge(patient.age), born].filter(Boolean).join(" · ")}
            </dd>
            <dt>{rt("signExam")}</dt>
            <dd>
              {[when, exam.modality, exam.description || exam.body_part, `${rt("column.accession")} ${exam.accession || "—"}`].filter(Boolean).join(" · ")}
            </dd>
          </Fragment>
        );
      })}
    </dl>
  );
}

/** What the self-check found; a blocking one can be overridden with a reason. */
export function Findings({ desk }: { desk: Desk }): JSX.Element {
  const overriding = useSignal<string | undefined>(undefined);
  const findings = desk.findings.value;
  if (findings.length === 0) return <p class="quiet">{rt("checksClean")}</p>;
  return (
    <ul class="findings" aria-label={rt("checks")}>
      {findings.map((finding) => {
        const id = `${finding.rule}/${finding.section}/${finding.start}`;
        return (
          <li key={id} class={finding.overridden ? "overridden" : finding.severity}>
            <span>
              <b>{finding.severity === "block" ? rt("block") : rt("warn")}</b> {finding.text}
              {finding.overridden && <small>{rt("overridden", { reason: desk.draft.value?.content.value.overrides[finding.rule] ?? "" })}</small>}
            </span>
            {finding.severity === "block" && !finding.overridden && desk.writing.value && (
              <button type="button" class="button" onClick={() => (overriding.value = id)}>
                {rt("override")}
              </button>
            )}
            {overriding.value === id && (
              <ReasonDialog
                title={rt("override")}
                close={() => (overriding.value = undefined)}
                done={(reason) => void desk.override(finding, reason)}
              />
            )}
          </li>
        );
      })}
    </ul>
  );
}
