// The report beside the pictures: its state, its text, what may be done next.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { Dataset } from "../dicom/json";
import { formatMoment } from "../i18n";
import { AT_REST, Desk } from "./desk";
import { Findings, SignDialog } from "./Dialogs";
import { Editor, type Pictures } from "./Editor";
import { History } from "./History";
import { Priors } from "./Priors";
import { ReasonDialog } from "./ReasonDialog";
import { ShownContent } from "./Shown";
import { rt, rtOr, type ReportKey } from "./texts";
import "./report.css";

/** What each action asks before it is done. Those not named are done at once. */
const ASKS: Readonly<Record<string, "reason" | "signature">> = {
  "sign-initial": "signature",
  issue: "signature",
  "sign-correction": "signature",
  confirm: "signature",
  return: "reason",
  takeover: "reason",
  cancel: "reason",
  "flag-difficult": "reason",
  "unflag-difficult": "reason",
  "open-correction": "reason",
  "reject-correction": "reason",
  "open-addendum": "reason",
  abandon: "reason",
  "request-recall": "reason",
  recall: "reason",
  "release-preliminary": "reason",
  annotate: "reason",
  consult: "reason",
  "consult-close": "reason",
};

const PRIMARY = new Set(["claim", "take", "claim-review", "sign-initial", "issue", "sign-correction", "confirm", "submit"]);

/** Done by writing, not by a button. */
const NO_BUTTON = new Set(["save", "renew", "request-amendment", "decide-amendment"]);

const TABS = ["tabReport", "tabHistory", "tabPriors"] as const satisfies readonly ReportKey[];

export interface ReportPanelProps {
  study: string;
  pictures: Pictures;
  /** The facts of the study. */
  own: Dataset | undefined;
  priors: readonly Dataset[];
}

export default function ReportPanel({ study, own, pictures, priors }: ReportPanelProps): JSX.Element {
  const desk = useMemo(() => new Desk(study), [study]);
  const tab = useSignal<(typeof TABS)[number]>("tabReport");
  useEffect(() => {
    void desk.open();
    // The last changes go out when the page is left; the browser keeps them if they do not arrive.
    const leave = (event: BeforeUnloadEvent): void => {
      const state = desk.draft.value?.state.value.kind;
      if (state && state !== "saved") {
        void desk.draft.value?.flush();
        event.preventDefault();
      }
    };
    window.addEventListener("beforeunload", leave);
    return () => {
      window.removeEventListener("beforeunload", leave);
      desk.close();
    };
  }, [desk]);
  const report = desk.report.value;
  return (
    <aside class="panel report-panel" aria-label={rt("panel")}>
      <Head desk={desk} />
      {desk.failed.value && <p class="report-message error" role="alert">{desk.failed.value}</p>}
      <p class={desk.said.value ? "report-message" : "hidden"} role="status">{desk.said.value}</p>
      {report && (
        <div class="tabs" role="tablist">
          {TABS.map((name) => (
            <button key={name} type="button" role="tab" aria-selected={tab.value === name} onClick={() => (tab.value = name)}>
              {rt(name)}
            </button>
          ))}
        </div>
      )}
      <div class="report-body">
        {!report ? (
          <Beginning desk={desk} />
        ) : tab.value === "tabHistory" ? (
          <History desk={desk} pictures={pictures} />
        ) : tab.value === "tabPriors" ? (
          <Priors desk={desk} studies={priors} own={own} />
        ) : (
          <Body desk={desk} pictures={pictures} />
        )}
      </div>
      {report && <Actions desk={desk} />}
    </aside>
  );
}

function Head({ desk }: { desk: Desk }): JSX.Element {
  const report = desk.report.value;
  const exam = report?.exams[0] ?? desk.exams.value?.[0];
  return (
    <header class="report-head">
      <h2>{rt("panel")}</h2>
      {exam && <span class={`chip ${exam.priority}`}>{rt(exam.priority)}</span>}
      {report?.difficult && <span class="chip urgent">{rt("difficult")}</span>}
      {report && <span class="chip">{rtOr("stage", report.stage)}</span>}
      {report && report.status !== "none" && <span class="chip">{rtOr("status", report.status)}</span>}
      {exam?.due_at && report?.stage !== "idle" && (
        <small class={exam.overdue ? "error-text" : "quiet"}>
          {exam.overdue ? rt("overdue") : rt("due")} {formatMoment(exam.due_at)}
        </small>
      )}
      {report?.holder && <small class="quiet">{rt("holder", { name: report.holder.name })}</small>}
    </header>
  );
}

function Beginning({ desk }: { desk: Desk }): JSX.Element {
  const completing = useSignal(false);
  const exams = desk.exams.value;
  if (exams === undefined) return desk.failed.value ? <Retry desk={desk} /> : <p class="quiet">{rt("loading")}</p>;
  if (exams.length === 0)
    return (
      <>
        <p class="quiet">{rt("noExam")}</p>
        <Retry desk={desk} />
      </>
    );
  const complete = exams.every((exam) => exam.complete);
  return (
    <>
      <p class="quiet">{complete ? rt("none") : rt("incomplete")}</p>
      {complete ? (
        <button type="button" class="button primary" disabled={desk.busy.value} onClick={() => void desk.begin()}>
          {rt("begin")}
        </button>
      ) : (
        <button type="button" class="button" onClick={() => (completing.value = true)}>
          {rt("complete")}
        </button>
      )}
      {completing.value && (
        <ReasonDialog title={rt("complete")} label={rt("completeReason")} close={() => (completing.value = false)} done={(reason) => void desk.complete(reason)} />
      )}
    </>
  );
}

function Retry({ desk }: { desk: Desk }): JSX.Element {
  return (
    <button type="button" class="button" onClick={() => void desk.open()}>
      {rt("retry")}
    </button>
  );
}

function Body({ desk, pictures }: { desk: Desk; pictures: Pictures }): JSX.Element {
  const report = desk.report.value!;
  const draft = desk.draft.value;
  return (
    <>
      {report.returned && (
        <p class="report-message">{rt("returned", { reason: report.returned.reason, by: report.returned.by?.name ?? "" })}</p>
      )}
      {report.late_images && (
        <p class="report-message error" role="alert">
          {rt(report.stage === "idle" ? "lateIssued" : "late", { time: formatMoment(report.late_images) })}
        </p>
      )}
      <Recovered desk={desk} />
      <ConflictChoice desk={desk} />
      {draft && desk.writing.value ? (
        <>
          <Editor desk={desk} pictures={pictures} />
          <section class="report-section">
            <h3>{rt("checks")}</h3>
            <Findings desk={desk} />
          </section>
        </>
      ) : draft ? (
        <ShownContent content={draft.content.value} pictures={pictures} />
      ) : report.versions.length > 0 ? (
        <History desk={desk} pictures={pictures} />
      ) : AT_REST.has(report.stage) ? null : (
        <p class="quiet">{rt("notIssued")}</p>
      )}
    </>
  );
}

function Recovered({ desk }: { desk: Desk }): JSX.Element | null {
  const draft = desk.draft.value;
  const recovered = draft?.recovered.value;
  if (!draft || !recovered || !desk.writing.value) return null;
  return (
    <div class="report-message">
      <p>{rt("recovered", { time: formatMoment(recovered.at) })}</p>
      <button type="button" class="button" onClick={() => draft.recover()}>
        {rt("recover")}
      </button>{" "}
      <button type="button" class="button" onClick={() => draft.discard()}>
        {rt("discard")}
      </button>
    </div>
  );
}

function ConflictChoice({ desk }: { desk: Desk }): JSX.Element | null {
  const draft = desk.draft.value;
  const state = draft?.state.value;
  if (!draft || state?.kind !== "conflict") return null;
  return (
    <div class="report-message error" role="alert">
      <p>{rt("conflict")}</p>
      <details>
        <summary>{rt("takeTheirs")}</summary>
        <ShownContent content={state.theirs} />
      </details>
      <button type="button" class="button" onClick={() => draft.resolve(draft.content.value)}>
        {rt("keepMine")}
      </button>{" "}
      <button type="button" class="button" onClick={() => draft.resolve(state.theirs)}>
        {rt("takeTheirs")}
      </button>
    </div>
  );
}

function Actions({ desk }: { desk: Desk }): JSX.Element {
  const asking = useSignal<string | undefined>(undefined);
  const report = desk.report.value!;
  const actions = report.allowed.filter((action) => !NO_BUTTON.has(action));
  const start = (action: string): void => {
    if (ASKS[action] === "signature") void desk.draft.value?.flush().then(() => desk.check());
    if (ASKS[action]) asking.value = action;
    else void desk.act(action);
  };
  const action = asking.value;
  const close = (): void => {
    asking.value = undefined;
  };
  return (
    <footer class="report-actions">
      <SaveState desk={desk} />
      <div>
        {actions.map((name) => (
          <button key={name} type="button" class={PRIMARY.has(name) ? "button primary" : "button"} disabled={desk.busy.value} onClick={() => start(name)}>
            {rtOr("action", name)}
          </button>
        ))}
      </div>
      {action && ASKS[action] === "reason" && (
        <ReasonDialog title={rtOr("action", action)} close={close} done={(reason) => void desk.act(action, action === "annotate" ? { text: reason } : { reason })} />
      )}
      {action && ASKS[action] === "signature" && desk.draft.value && <SignDialog desk={desk} action={action} close={close} />}
    </footer>
  );
}

function SaveState({ desk }: { desk: Desk }): JSX.Element | null {
  const state = desk.draft.value?.state.value;
  if (!state || !desk.writing.value) return null;
  const text =
    state.kind === "saved"
      ? rt("saved", { time: formatMoment(state.at) })
      : state.kind === "waiting"
        ? rt("waiting", { reason: state.reason })
        : state.kind === "refused"
          ? rt("refused", { reason: state.reason })
          : state.kind === "conflict"
            ? rt("conflict")
            : rt(state.kind);
  return (
    <p class={state.kind === "saved" || state.kind === "saving" || state.kind === "changed" ? "quiet" : "error-text"} role="status" data-save={state.kind}>
      {text}
    </p>
  );
}
