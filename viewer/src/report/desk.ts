// The state of the report panel: which exam, which report, the draft, what may be done.

import { batch, computed, signal } from "@preact/signals";
import { turns } from "../net/attended";
import { Problem, rest } from "../net/rest";
import { reader } from "../access/session";
import { Draft } from "./draft";
import * as model from "./model";
import type { ActionBody, Content, Exam, Finding, Report } from "./model";
import { rt, rtOr } from "./texts";

const CHECK_AFTER_MS = 400;
const RENEW_EVERY_MS = 5 * 60_000;

/** Stages in which nobody writes. */
export const AT_REST = new Set(["unread", "idle", "cancelled", "recalled"]);

const takesText = (report: Report): boolean => report.allowed.includes("save");

export class Desk {
  readonly exams = signal<readonly Exam[] | undefined>(undefined);
  readonly report = signal<Report | undefined>(undefined);
  readonly draft = signal<Draft | undefined>(undefined);
  readonly findings = signal<readonly Finding[]>([]);
  readonly failed = signal("");
  readonly said = signal("");
  readonly busy = signal(false);
  private checking = 0;
  private renewing = 0;
  private shows = 0;

  /** Whether the reader is writing: holds the report, in a stage that takes text. */
  readonly writing = computed(() => {
    const report = this.report.value;
    return !!report && takesText(report);
  });

  constructor(readonly study: string) {}

  async open(): Promise<void> {
    await this.attempt(async () => {
      this.exams.value = await model.examsOf(this.study);
      const live = this.exams.value.find((exam) => exam.report)?.report;
      if (live) await this.show(await model.load(live.report_id));
    });
  }

  async begin(): Promise<void> {
    const exams = this.exams.value ?? [];
    if (exams.length === 0) return;
    await this.attempt(async () => {
      let report = await model.begin(exams.map((exam) => exam.exam_id));
      if (report.allowed.includes("claim")) report = await model.act(report, "claim");
      await this.show(report);
    });
  }

  async complete(reason: string): Promise<void> {
    await this.attempt(async () => {
      for (const exam of this.exams.value ?? [])
        await rest("PATCH", `/exams/${exam.exam_id}`, { body: { complete: true, reason } });
      this.exams.value = await model.examsOf(this.study);
    });
  }

  /** Performs an action on what the reader sees: what was typed is on the server first. */
  async act(action: string, body: ActionBody = {}): Promise<boolean> {
    return this.attempt(async () => {
      const draft = this.draft.value;
      if (draft && this.writing.value && action !== "abandon" && action !== "cancel" && !(await draft.flush())) throw new Error(rt("changed"));
      const report = this.report.value!;
      const said = action === "open-correction" ? { ...body, request_id: await this.acceptedRequest(report) } : body;
      await this.show(await model.act({ ...report, etag: draft?.etag ?? report.etag }, action, said));
      this.say(rt("done", { action: rtOr("action", action) }));
      this.exams.value = await model.examsOf(this.study);
    });
  }

  /** A correction answers a request that was accepted and has not been answered yet. */
  private async acceptedRequest(report: Report): Promise<string> {
    const accepted = (await model.requestsOf(report.report_id)).find((one) => one.decision === "accepted" && !one.used);
    if (!accepted) throw new Error(rt("needsRequest"));
    return accepted.request_id;
  }

  async refresh(): Promise<void> {
    const report = this.report.value;
    if (report) await this.attempt(async () => this.show(await model.load(report.report_id)));
    else await this.open();
  }

  async override(finding: Finding, reason: string): Promise<void> {
    const draft = this.draft.value;
    if (!draft) return;
    draft.change({ overrides: { ...draft.content.value.overrides, [finding.rule]: reason } });
    await draft.flush();
    await this.check();
  }

  change(part: Partial<Content>): void {
    this.draft.value?.change(part);
  }

  async check(): Promise<void> {
    const report = this.report.value;
    if (!report) return;
    this.findings.value = await model.check(report.report_id).catch(() => this.findings.value);
  }

  say(text: string): void {
    this.said.value = text;
    window.setTimeout(() => {
      if (this.said.value === text) this.said.value = "";
    }, 5000);
  }

  close(): void {
    this.draft.value?.close();
    window.clearInterval(this.renewing);
  }

  /** Shows a report and its text together: between them somebody would write into the text before. */
  private async show(report: Report): Promise<void> {
    const turn = ++this.shows;
    const before = this.report.value;
    const draft = this.draft.value;
    const writing = takesText(report);
    // Nothing is being written (not begun, issued, or over), or not for this reader's eyes.
    const none = AT_REST.has(report.stage) || !model.seesUnissued();
    const same = draft && writing && before?.report_id === report.report_id && before.rev === report.rev;
    const next = none ? undefined : same ? draft : await Draft.open(report, reader.value?.person_id ?? "", (etag) => this.taken(etag));
    if (turn !== this.shows) return; // a later one is shown
    if (same && next) next.moved(report.etag, report.content_hash);
    else draft?.close();
    batch(() => {
      this.report.value = report;
      this.draft.value = next;
      if (none) this.findings.value = [];
    });
    window.clearInterval(this.renewing);
    if (next && writing) {
      // Who has left the page to itself holds the report no longer than the lease, and uses no session.
      const attended = turns();
      this.renewing = window.setInterval(() => {
        if (attended()) void rest("PUT", `/reports/${report.report_id}/lease`).catch(() => undefined);
      }, RENEW_EVERY_MS);
      void this.check();
    }
  }

  private taken(etag: string): void {
    const report = this.report.value;
    if (report) this.report.value = { ...report, etag };
    window.clearTimeout(this.checking);
    this.checking = window.setTimeout(() => void this.check(), CHECK_AFTER_MS);
  }

  private async attempt(work: () => Promise<void>): Promise<boolean> {
    this.busy.value = true;
    this.failed.value = "";
    try {
      await work();
      return true;
    } catch (error) {
      this.failed.value = error instanceof Problem || error instanceof Error ? error.message : String(error);
      if (error instanceof Problem && error.type === "qc-blocking") await this.check();
      if (error instanceof Problem && (error.status === 412 || error.status === 409) && this.report.value)
        await model.load(this.report.value.report_id).then((report) => this.show(report), () => undefined);
      return false;
    } finally {
      this.busy.value = false;
    }
  }
}
