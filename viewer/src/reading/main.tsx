// The reading page: read.html?study=UID[&study=UID...][&series=UID]

import { effect, signal, untracked, useSignal, useSignalEffect } from "@preact/signals";
import { render, type JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { gate, may } from "../access/session";
import { SignInDialog } from "../access/SignInDialog";
import { text } from "../dicom/json";
import { samePerson } from "../dicom/patient";
import { Tag } from "../dicom/tags";
import { language, locale, t } from "../i18n";
import { FormDialog } from "../ui/dialogs";
import { webGl } from "../render/webgl";
import { doubtsText, personText } from "../ui/Doubts";
import { Notices, reasonOf, say } from "../ui/notices";
import { runCine } from "./cine";
import { ReadingContext, useReading, type Reading } from "./context";
import { Drafts } from "./drafts";
import { recording } from "./export";
import { hangAutomatically } from "./hanging";
import { Help } from "./Help";
import { listenToKeys } from "./keys";
import { GpuPainter, ProcessorPainter, type Painter } from "./painter";
import { Pane } from "./Pane";
import { Panel } from "./Panel";
import { prefetch } from "./prefetch";
import { ReportSide } from "./ReportSide";
import { restore } from "./saving";
import { Session } from "./session";
import { Strip } from "./Strip";
import { Toolbar } from "./Toolbar";
import "../ui/base.css";
import "./reading.css";

const parameters = new URLSearchParams(location.search);
const session = new Session();
const reading: Reading = { session, drafts: new Drafts(session), over: signal(undefined), painter: { current: undefined } };

function Page(): JSX.Element {
  const narrow = window.matchMedia("(max-width: 760px)").matches;
  const strip = useSignal(!narrow);
  const side = useSignal(false);
  const report = useSignal(parameters.has("report"));
  useSignalEffect(() => {
    // The first measurement opens the list it goes to.
    if (session.annotations.value.length > 0 && !narrow && !side.peek() && !opened) {
      opened = true;
      side.value = true;
    }
  });
  return (
    <ReadingContext.Provider value={reading}>
      <Toolbar strip={strip} side={side} report={report} />
      <OtherPatients />
      <div class="desk">
        {strip.value && <Strip />}
        <Grid />
        {side.value && <Panel />}
        {report.value && <ReportSide />}
      </div>
      <Notices />
      <Recording />
      <TextDialog />
      <SignInDialog />
      {reading.over.value === "help" && <Help close={() => (reading.over.value = undefined)} />}
    </ReadingContext.Provider>
  );
}

/** Stays as long as studies are open that may not be of the first one's patient: both are named. */
function OtherPatients(): JSX.Element | null {
  const [first, ...others] = session.studies.value.map((study) => study.facts).filter((facts) => Object.keys(facts).length > 0);
  const warnings = (first ? others : []).flatMap((facts) => {
    const named = { one: personText(first!), other: personText(facts) };
    if (!samePerson(first!, facts)) return t("reading.otherPatients", named);
    const said = doubtsText(facts, first!);
    return said ? t("reading.doubtful", { ...named, doubts: said }) : [];
  });
  if (warnings.length === 0) return null;
  return (
    <div class="other-patients" role="alert">
      {[...new Set(warnings)].map((warning) => (
        <p key={warning}>{warning}</p>
      ))}
    </div>
  );
}

let opened = false;

/** A canvas that has lost its GPU draws nothing any more: it is replaced by one for the processor. */
const gpuGone = signal(false);

/** `draw=gpu` in the address draws with WebGL2 even where that is software, `draw=processor` without it. */
function painterOn(canvas: HTMLCanvasElement): Painter {
  const kind = webGl();
  if (kind === "none") session.flat.value = true;
  const missing = [kind === "none" && t("state.noGpu"), typeof WebAssembly === "undefined" && t("state.noWasm")].filter(Boolean);
  if (missing.length > 0) say("info", missing.join(" "));
  const wanted = new URLSearchParams(location.search).get("draw") ?? (kind === "gpu" ? "gpu" : "processor");
  if (wanted !== "gpu" || kind === "none" || gpuGone.value) return new ProcessorPainter(canvas, session.store);
  const gone = (): void => {
    gpuGone.value = true;
    say("error", t("state.gpuGone"));
  };
  try {
    return new GpuPainter(canvas, session.store, gone);
  } catch {
    // A driver that gives WebGL2 and then cannot compile: another canvas takes the place of this one.
    gone();
    return new ProcessorPainter(canvas, session.store);
  }
}

function Grid(): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const grid = useRef<HTMLElement>(null);
  const visible = session.visible.value;
  const { rows, columns } = session.maximized.value ? { rows: 1, columns: 1 } : session.layout.value;
  const measure = (): void => {
    const origin = grid.current!.getBoundingClientRect();
    for (const viewport of session.visible.value) {
      const box = grid.current!.querySelector(`[data-pane="${viewport.id}"]`)?.getBoundingClientRect();
      if (!box) continue;
      const rect = { x: box.left - origin.left, y: box.top - origin.top, width: box.width, height: box.height };
      const old = viewport.rect.peek();
      if (old.x !== rect.x || old.y !== rect.y || old.width !== rect.width || old.height !== rect.height) viewport.rect.value = rect;
    }
    reading.painter.current?.all();
  };
  // Not after the first refresh, as an effect would: the first image may be there before it.
  useLayoutEffect(() => {
    reading.painter.current = painterOn(canvas.current!);
    reading.painter.current.watch(session.visible.value);
    const observer = new ResizeObserver(measure);
    observer.observe(grid.current!);
    return () => {
      observer.disconnect();
      reading.painter.current?.watch([]);
    };
  }, [gpuGone.value]);
  useLayoutEffect(() => {
    reading.painter.current?.watch(visible);
    measure();
  }, [visible, rows, columns]);
  return (
    <main ref={grid} class="grid" style={{ gridTemplateRows: `repeat(${rows}, 1fr)`, gridTemplateColumns: `repeat(${columns}, 1fr)` }}>
      <canvas key={String(gpuGone.value)} ref={canvas} class="stage" aria-hidden="true" />
      {visible.map((viewport) => (
        <Pane key={viewport.id} viewport={viewport} />
      ))}
    </main>
  );
}

function Recording(): JSX.Element | null {
  const film = recording.value;
  if (!film) return null;
  return (
    <div class="notices" role="status">
      <div class="notice">
        <span class="spinner small" /> {t("film.recording", film)}
      </div>
    </div>
  );
}

/** Asks for the text of an arrow or a label; Enter while an input method composes belongs to it. */
function TextDialog(): JSX.Element | null {
  const { drafts } = useReading();
  const pending = drafts.pending.value;
  if (!pending) return null;
  const close = (): void => {
    drafts.pending.value = undefined;
  };
  return (
    <FormDialog
      title={t(`tool.${pending.tool}`)}
      close={close}
      action={t("action.ok")}
      submit={(form) => {
        const written = String(form.get("text") ?? "").trim();
        if (written || pending.tool === "arrow") drafts.add({ ...pending, text: written });
      }}
    >
      <label class="field">
        {t("text.prompt")}
        <input name="text" type="text" maxLength={64} autofocus />
      </label>
    </FormDialog>
  );
}

effect(() => {
  document.documentElement.lang = locale.value;
  const facts = session.studies.value[0]?.facts ?? {};
  document.title = `${text(facts, Tag.PatientName) ?? ""} · ${t("reading.title")}`;
  void language.value;
});

// The first stacks to arrive go into the empty panes; what the address names goes first.
const uids = parameters.getAll("study");
const wantedSeries = parameters.get("series");
effect(() => {
  const stacks = session.stacks.value.filter((s) => !wantedSeries || s.series === wantedSeries);
  untracked(() => {
    if (uids.length < 2) return session.fill(stacks);
    uids.forEach((uid, i) => {
      const viewport = session.viewports.value[i];
      const first = stacks.find((s) => s.study === uid);
      if (viewport && !viewport.source.value && first) session.showStack(viewport, first);
    });
  });
});
effect(() => restore(session));
// What is not in the archive is lost with the page: the browser asks before it leaves.
window.addEventListener("beforeunload", (event) => {
  if (may("store") && (session.unsavedMeasurements.value || session.unsavedKeys.value)) event.preventDefault();
});

runCine(session);
listenToKeys(reading);
render(<Page />, document.getElementById("app")!);

async function start(): Promise<void> {
  if (uids.length === 0) return;
  if (uids.length > 1) session.setLayout({ rows: 1, columns: Math.min(uids.length, 4) });
  const layout = session.layout.value;
  await Promise.all(uids.map((uid) => session.open(uid, wantedSeries)));
  // Not when the reader has already chosen a layout, or the address a series.
  if (session.layout.value === layout && !wantedSeries) await hangAutomatically(session);
  await session.findPriors().catch(() => undefined);
  await prefetch(session);
}
// Beside the pictures, not before them: who may not read gets none, and is sent to sign in.
void gate().catch((error: unknown) => say("error", reasonOf(error)));
void start();
// For tests and for the curious: the page's state by name.
Object.assign(window, { reading });
