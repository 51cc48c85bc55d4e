// Hanging protocols: layouts as data. A few are shipped; the reader saves the present one as his own,
// who manages templates for everybody.

import { batch } from "@preact/signals";
import { Kept } from "../access/kept";
import { may } from "../access/session";
import { chestWall, mammograms, projectionOf } from "../dicom/projection";
import { newUid } from "../dicom/uid";
import type { ColormapName } from "../pixels/colormap";
import { straight, type Voi } from "../pixels/voi";
import type { Key } from "../i18n";
import type { Stack } from "../dicom/stacks";
import type { Session } from "./session";
import type { Viewport } from "./viewport";

export interface PaneRule {
  readonly study: number; // 0: the first opened, 1: the next ...
  readonly description: string; // of the series; "" when only the place counts
  readonly view?: string; // side and view of a projection: "R CC"
  readonly place: number; // among the study's series; of shipped ones: mammograms come as they hang
  readonly window?: { readonly center: number; readonly width: number };
  readonly colormap?: ColormapName;
}

export interface Protocol {
  readonly id: string;
  readonly name: string;
  readonly title?: Key; // of shipped ones
  readonly modalities: readonly string[]; // empty: any
  readonly rows: number;
  readonly columns: number;
  readonly panes: readonly PaneRule[];
  readonly link: { readonly scroll: boolean; readonly window: boolean; readonly view: boolean };
  /** Hung by itself when a study of its modality is opened with at least as many series. */
  readonly automatic: boolean;
  /** For mammograms whose sides and views are known, and for nothing else. */
  readonly mammograms?: boolean;
}

const pane = (study: number, place: number): PaneRule => ({ study, description: "", place });
const together = { scroll: true, window: true, view: true };
const apart = { scroll: false, window: false, view: false };

const SHIPPED: readonly Protocol[] = [
  { id: "mammography", name: "", title: "hanging.mammography", modalities: ["MG"], rows: 2, columns: 2, panes: [0, 1, 2, 3].map((n) => pane(0, n)), link: apart, automatic: true, mammograms: true },
  { id: "pair", name: "", title: "hanging.pair", modalities: ["CR", "DX", "MG", "RF"], rows: 1, columns: 2, panes: [pane(0, 0), pane(0, 1)], link: apart, automatic: true },
  { id: "four", name: "", title: "hanging.four", modalities: ["MR", "CT"], rows: 2, columns: 2, panes: [0, 1, 2, 3].map((n) => pane(0, n)), link: { ...apart, scroll: true }, automatic: false },
  { id: "prior", name: "", title: "hanging.prior", modalities: [], rows: 1, columns: 2, panes: [pane(0, 0), pane(1, 0)], link: together, automatic: false },
];

interface Protocols {
  readonly protocols: readonly Protocol[];
}

const own = new Kept<Protocols>("hanging-protocols", { protocols: [] });
const everybodys = new Kept<Protocols>("hanging-protocols", { protocols: [] }, true);

const ownOnes = (): readonly Protocol[] => own.value.value.protocols;
const sharedOnes = (): readonly Protocol[] => everybodys.value.value.protocols;

export const isShared = (protocol: Protocol): boolean => sharedOnes().includes(protocol);

/** Whether the reader may take it away: his own, and what is for everybody if he keeps that. */
export const isRemovable = (protocol: Protocol): boolean => ownOnes().includes(protocol) || (isShared(protocol) && may("templates"));

export const remove = (protocol: Protocol): Promise<void> =>
  (isShared(protocol) ? everybodys : own).change(({ protocols }) => ({ protocols: protocols.filter((p) => p.id !== protocol.id) }));

/** Those that fit what is open: the reader's own first, then those for everybody. */
export function fitting(session: Session): Protocol[] {
  const modalities = new Set(session.stacks.value.map((stack) => stack.modality));
  const studies = session.studies.value.length;
  return [...ownOnes(), ...sharedOnes(), ...SHIPPED].filter(
    (p) =>
      (p.modalities.length === 0 || p.modalities.some((m) => modalities.has(m))) &&
      p.panes.every((rule) => rule.study < studies) &&
      (!p.title || p.panes.filter((rule) => find(session, rule, p)).length === p.panes.length),
  );
}

function find(session: Session, rule: PaneRule, protocol: Protocol): Stack | undefined {
  const study = session.studies.value[rule.study]?.uid;
  const stacks = session.stacks.value.filter((stack) => stack.study === study);
  if (protocol.title) {
    const pairs = mammograms(stacks, (stack) => stack.frames[0]!.dataset);
    return pairs || protocol.mammograms ? pairs?.[rule.place] : stacks[rule.place];
  }
  const sameView = rule.view ? stacks.filter((stack) => stack.view === rule.view) : stacks;
  const named = rule.description ? sameView.find((stack) => stack.description === rule.description) : undefined;
  return named ?? (rule.view ? sameView[0] : undefined) ?? stacks[rule.place];
}

/** A breast hangs with its chest wall to the middle: the right one's to the right, the left one's to the left. */
function turnToChestWall(viewport: Viewport, { side }: { side?: string }, stored: "left" | "right" | undefined): void {
  const wanted = side === "R" ? "right" : side === "L" ? "left" : undefined;
  if (!wanted) return;
  viewport.anchor.value = stored ?? wanted;
  if (stored && stored !== wanted) viewport.flip("horizontal");
}

export function hang(session: Session, protocol: Protocol): void {
  batch(() => {
    session.setLayout({ rows: protocol.rows, columns: protocol.columns });
    protocol.panes.forEach((rule, i) => {
      const viewport = session.viewports.value[i];
      const stack = find(session, rule, protocol);
      if (!viewport) return;
      if (!stack) return viewport.show(undefined);
      session.showStack(viewport, stack);
      const first = stack.frames[0]!;
      if (stack.modality === "MG") turnToChestWall(viewport, projectionOf(first.dataset) ?? {}, chestWall(first.dataset));
      if (rule.window) viewport.chosenVoi.value = { kind: "window", ...rule.window, shape: straight(first) };
      viewport.colormap.value = rule.colormap;
    });
    const { sync } = session;
    if (sync.scroll.value !== protocol.link.scroll) sync.toggleScroll();
    sync.window.value = protocol.link.window;
    sync.view.value = protocol.link.view;
  });
}

/** The present layout as a protocol, the reader's own or for everybody. */
export function save(session: Session, name: string, { automatic, shared }: { automatic: boolean; shared: boolean }): Promise<void> {
  const studies = session.studies.value.map((study) => study.uid);
  const panes = session.viewports.value.map((viewport): PaneRule => {
    const stack = viewport.stack.value;
    const ofStudy = session.stacks.value.filter((s) => s.study === stack?.study);
    return {
      study: Math.max(stack ? studies.indexOf(stack.study) : 0, 0),
      description: stack?.description ?? "",
      view: stack?.view,
      place: stack ? ofStudy.indexOf(stack) : 999, // an empty pane stays empty
      window: windowOf(viewport.chosenVoi.value),
      colormap: viewport.colormap.value,
    };
  });
  const { rows, columns } = session.layout.value;
  const { sync } = session;
  const modality = session.active.value?.stack.value?.modality;
  const protocol: Protocol = {
    id: newUid(),
    name,
    modalities: modality ? [modality] : [],
    rows,
    columns,
    panes,
    link: { scroll: sync.scroll.value, window: sync.window.value, view: sync.view.value },
    automatic,
  };
  return (shared ? everybodys : own).change(({ protocols }) => ({ protocols: [protocol, ...protocols.filter((p) => p.name !== name)] }));
}

const windowOf = (voi: Voi | undefined): PaneRule["window"] =>
  voi?.kind === "window" ? { center: voi.center, width: voi.width } : undefined;

/** Hangs the first automatic protocol that fits, once everything of the study is known. */
export async function hangAutomatically(session: Session): Promise<void> {
  const { layout } = session;
  const before = layout.value;
  await Promise.all([own.ready, everybodys.ready]);
  // Not when the reader has chosen a layout meanwhile.
  if (layout.value !== before) return;
  const protocol = fitting(session).find((p) => p.automatic);
  if (protocol) hang(session, protocol);
}
