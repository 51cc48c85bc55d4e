// The state of a reading page: studies opened, panes, tools, measurements.

import { batch, computed, effect, signal } from "@preact/signals";
import { arrange, isOverlayObject, type Document, type Stack } from "../dicom/stacks";
import { text, type Dataset } from "../dicom/json";
import { Tag } from "../dicom/tags";
import type { Frame } from "../dicom/image";
import { overlaysOf, type Overlay } from "../dicom/overlays";
import { volumeOf, type NoVolume } from "../geometry/volume";
import { search } from "../net/dicomweb";
import { studiesOfPatient } from "../net/priors";
import { FrameStore } from "../net/frames";
import { Rank, type Interest } from "../net/interest";
import { pool, type Early, type SeriesEntry } from "../net/early";
import { earlyOf, metadataOf, seriesOf } from "../net/opening";
import { withTables } from "../net/tables";
import { withSyntaxes } from "../net/videos";
import type { Annotation } from "../tools/annotation";
import type { ToolName } from "../tools/tool";
import { reasonOf, say } from "../ui/notices";
import { MprGroup, type MprView } from "./mpr";
import { Sync } from "./sync";
import { Viewport, type Source } from "./viewport";

export interface StudyEntry {
  readonly uid: string;
  readonly facts: Dataset; // study level, or the first instance's
  readonly series: readonly SeriesEntry[];
  readonly loading: number; // series whose metadata is under way
  readonly failed?: string;
}

export type PointerTool = "window" | "scroll" | "pan" | "zoom" | "magnify" | "crosshair" | ToolName;

export interface Layout {
  readonly rows: number;
  readonly columns: number;
}

/** Where studies' and stacks' order comes from: the order of the page's address. */
export class Session {
  readonly store = new FrameStore(pool);
  readonly studies = signal<readonly StudyEntry[]>([]);
  readonly stacks = signal<readonly Stack[]>([]);
  readonly documents = signal<readonly Document[]>([]);
  readonly overlays = signal<readonly Overlay[]>([]);
  readonly hiddenOverlays = signal<ReadonlySet<string>>(new Set());
  readonly priors = signal<readonly Dataset[]>([]);
  readonly layout = signal<Layout>({ rows: 1, columns: 1 });
  readonly viewports = signal<readonly Viewport[]>([]);
  readonly activeId = signal(0);
  readonly maximized = signal(false);
  readonly tool = signal<PointerTool>("window");
  readonly annotations = signal<readonly Annotation[]>([]);
  readonly selected = signal<string | undefined>(undefined);
  readonly keyFrames = signal<readonly Frame[]>([]);
  readonly showAnnotations = signal(true);
  readonly showCorners = signal(true);
  readonly showPlanes = signal(true);
  readonly showReferenceLines = signal(true);
  /** No WebGL2: slices only, drawn by the processor. */
  readonly flat = signal(false);
  readonly sync: Sync;
  readonly restored = new Set<string>();
  /** Stored measurements were removed or changed since: saving brings the archive up to date. */
  readonly edited = signal(false);
  /** The key images that are in the archive. */
  readonly savedKeys = signal<readonly Frame[]>([]);
  readonly unsavedMeasurements = computed(() => this.edited.value || this.annotations.value.some((a) => !a.saved));
  readonly unsavedKeys = computed(() => {
    const [marked, saved] = [this.keyFrames.value, this.savedKeys.value];
    return marked.length !== saved.length || marked.some((frame) => !saved.includes(frame));
  });
  private readonly overlayInstances: Dataset[] = [];
  private readonly wanted = new Set<string>();
  /** Frames that came with what the page needed first: the middle of a series, which may be several stacks. */
  private readonly early = new Set<string>();
  private nextViewport = 1;
  private readonly interests = new Map<Viewport, { frames: readonly Frame[]; interest: Interest; stop: () => void }>();
  private readonly groups = new Map<string, MprGroup>();

  readonly active = computed(() => this.viewports.value.find((v) => v.id === this.activeId.value) ?? this.viewports.value[0]);
  readonly visible = computed(() => {
    const active = this.active.value;
    return this.maximized.value && active ? [active] : this.viewports.value;
  });

  constructor() {
    this.sync = new Sync(this);
    this.setLayout({ rows: 1, columns: 1 });
    effect(() => this.followInterests());
  }

  // ---- opening studies ----

  /** `wanted`: the series that is loaded first. */
  async open(uid: string, wanted?: string | null): Promise<void> {
    if (this.studies.value.some((study) => study.uid === uid)) return;
    this.patch({ uid, facts: {}, series: [], loading: 1 });
    try {
      const facts = search("/studies", [["StudyInstanceUID", uid], ["includefield", Tag.StudyDescription], ["includefield", Tag.InstitutionName], ["includefield", Tag.IssuerOfPatientID]]);
      const series = await seriesOf(uid);
      void facts.then(({ rows: [row] }) => row && this.patch({ uid, facts: { ...row, ...this.study(uid)?.facts } })).catch(() => undefined);
      this.patch({ uid, series, loading: series.length });
      if (series.length === 0) this.patch({ uid, failed: "empty" });
      // The metadata of all series at once would make the first one wait for its share of the link.
      const waiting = [...series].sort((a, b) => Number(b.series === wanted) - Number(a.series === wanted));
      // Which stack an empty pane gets must not depend on which answer is the quicker.
      let before: Promise<void> = Promise.resolve();
      const lane = async (): Promise<void> => {
        for (let entry = waiting.shift(); entry; entry = waiting.shift()) await (before = this.load(entry, before));
      };
      await Promise.all([lane(), lane()]);
      if (!this.stacks.value.some((stack) => stack.study === uid)) this.showOverlaysAlone(uid);
      this.fillWithDocuments(uid);
    } catch (error) {
      this.patch({ uid, loading: 0, failed: reasonOf(error) });
    }
  }

  /** Adds the series when it has come, and `before` is over. */
  private async load(entry: SeriesEntry, before: Promise<void>): Promise<void> {
    try {
      const instances = await withTables(await metadataOf(entry));
      const complete = await withSyntaxes(entry.study, entry.series, instances);
      await before;
      this.add(entry.study, complete, earlyOf(entry));
    } catch (error) {
      say("error", `${entry.description || entry.series}: ${reasonOf(error)}`);
    }
    const study = this.study(entry.study);
    if (study) this.patch({ uid: study.uid, loading: Math.max(study.loading - 1, 0) });
  }

  /** Segmentations whose images are not here are looked at by themselves. */
  private showOverlaysAlone(uid: string): void {
    const instances = this.overlayInstances.filter((i) => text(i, Tag.StudyInstanceUID) === uid);
    if (instances.length > 0) this.stacks.value = [...this.stacks.value, ...arrange(instances, true).stacks];
  }

  /** A study without pictures opens on its report, its ECG, its letter. */
  private fillWithDocuments(uid: string): void {
    if (this.stacks.value.some((stack) => stack.study === uid)) return;
    const viewport = this.viewports.value.find((v) => !v.source.value);
    const document = this.documents.value.find((d) => d.study === uid);
    if (viewport && document) this.show(viewport, { kind: "document", document });
  }

  private add(uid: string, instances: readonly Dataset[], early: Early | undefined): void {
    const { stacks, documents } = arrange(instances);
    if (early) {
      this.early.add(early.id);
      this.store.expect(stacks.flatMap(({ frames }) => frames), early);
    }
    batch(() => {
      const known = this.study(uid);
      this.patch({ uid, facts: { ...instances[0], ...known?.facts } });
      this.stacks.value = [...this.stacks.value, ...stacks].sort((a, b) => this.order(a) - this.order(b));
      const overlays = instances.flatMap(overlaysOf);
      this.overlayInstances.push(...instances.filter(isOverlayObject));
      if (overlays.length > 0) this.overlays.value = [...this.overlays.value, ...overlays];
      // Segmentations and structure sets are seen upon their images, not opened by themselves.
      const alone = documents.filter((d) => !overlays.some((o) => o.id.startsWith(`${d.instance}#`)));
      this.documents.value = [...this.documents.value, ...alone];
    });
    for (const stack of stacks) {
      // The middle image of every stack: its thumbnail, and what its default window rests on.
      const middle = stack.frames[stack.frames.length >> 1]!;
      this.store.want({ frames: [middle], index: 0, rank: Rank.thumbnail });
    }
  }

  /** Fetches frames that no pane scrolls through: of segmentations and of fused volumes. */
  wantAlso(frames: readonly Frame[]): void {
    const first = frames[0];
    if (!first || this.wanted.has(first.id)) return;
    this.wanted.add(first.id);
    this.store.want({ frames, index: frames.length >> 1, rank: Rank.shown });
  }

  private order(stack: Stack): number {
    const study = this.studies.value.findIndex((s) => s.uid === stack.study);
    const series = this.studies.value[study]?.series.findIndex((s) => s.series === stack.series) ?? 0;
    return study * 1e6 + series * 1000;
  }

  study(uid: string): StudyEntry | undefined {
    return this.studies.value.find((study) => study.uid === uid);
  }

  private patch(change: Partial<StudyEntry> & { uid: string }): void {
    const known = this.study(change.uid);
    const next: StudyEntry = { facts: {}, series: [], loading: 0, ...known, ...change };
    this.studies.value = known
      ? this.studies.value.map((study) => (study.uid === change.uid ? next : study))
      : [...this.studies.value, next];
  }

  /** Other studies of the patient, the newest first. */
  async findPriors(): Promise<void> {
    const [own] = this.studies.value;
    if (!own) return;
    const { rows } = await studiesOfPatient(own.facts, 50);
    this.priors.value = rows
      .filter((row) => text(row, Tag.StudyInstanceUID) !== own.uid)
      .sort((a, b) => (text(b, Tag.StudyDate) ?? "").localeCompare(text(a, Tag.StudyDate) ?? ""));
  }

  // ---- panes ----

  setLayout(layout: Layout): void {
    batch(() => {
      const count = layout.rows * layout.columns;
      const kept = this.viewports.value.slice(0, count);
      while (kept.length < count) kept.push(new Viewport(this.nextViewport++, this.store));
      this.layout.value = layout;
      this.viewports.value = kept;
      this.maximized.value = false;
      if (!kept.some((v) => v.id === this.activeId.value)) this.activeId.value = kept[0]!.id;
    });
  }

  /** Puts stacks that are not shown yet into empty panes. */
  fill(stacks: readonly Stack[] = this.stacks.value): void {
    const shown = new Set(this.viewports.value.map((v) => v.stack.value?.id));
    const waiting = stacks.filter((stack) => !shown.has(stack.id));
    for (const viewport of this.viewports.value) {
      if (viewport.source.value) continue;
      const stack = waiting.shift();
      if (!stack) return;
      this.showStack(viewport, stack);
    }
  }

  showStack(viewport: Viewport, stack: Stack, index?: number): void {
    this.show(viewport, { kind: "stack", stack }, index ?? this.startOf(stack));
  }

  /** A film starts at its beginning, a block of slices in its middle, where there is anatomy: with the image that is here already. */
  private startOf({ frames }: Stack): number {
    if (frames.length <= 3 || !frames[0]!.plane) return 0;
    const here = frames.findIndex(({ id }) => this.early.has(id));
    return here < 0 ? frames.length >> 1 : here;
  }

  show(viewport: Viewport, source: Source, index?: number): void {
    batch(() => viewport.show(source, index));
  }

  group(stack: Stack): MprGroup | NoVolume {
    const known = this.groups.get(stack.id);
    if (known) return known;
    const volume = volumeOf(stack);
    if (typeof volume === "string") return volume;
    const group = new MprGroup(volume);
    this.groups.set(stack.id, group);
    return group;
  }

  /** Stacks that can be laid over the viewport's: other volumes of its frame of reference. */
  fusible(viewport: Viewport): { stack: Stack; group: MprGroup }[] {
    const reference = viewport.reference.value;
    if (!reference?.frameOfReference || !viewport.plane.value) return [];
    return this.stacks.value.flatMap((stack) => {
      const first = stack.frames[0]!;
      if (stack.series === reference.series || first.frameOfReference !== reference.frameOfReference) return [];
      const group = this.group(stack);
      return typeof group === "string" ? [] : [{ stack, group }];
    });
  }

  /** Axial, coronal and sagittal cuts of the active stack in three panes. */
  mpr(stack: Stack): NoVolume | undefined {
    const group = this.group(stack);
    if (typeof group === "string") return group;
    this.setLayout({ rows: 2, columns: 2 });
    (["axial", "sagittal", "coronal"] as MprView[]).forEach((view, i) =>
      this.show(this.viewports.value[i]!, { kind: "mpr", group, view }),
    );
    const fourth = this.viewports.value[3]!;
    this.show(fourth, { kind: "volume", group });
    fourth.volumePreset.value = group.volume.frames[0]!.modality.unit === "HU" ? "bone" : "soft";
    this.activeId.value = this.viewports.value[0]!.id;
    this.tool.value = "crosshair";
    return undefined;
  }

  // ---- what to fetch ----

  private followInterests(): void {
    const visible = this.visible.value;
    const active = this.active.value;
    for (const [viewport, held] of this.interests)
      if (!visible.includes(viewport)) {
        held.stop();
        this.interests.delete(viewport);
      }
    for (const viewport of visible) {
      const frames = framesOf(viewport.source.value);
      const fusion = viewport.fusion.value;
      if (fusion) this.wantAlso(fusion.group.volume.frames);
      const index = viewport.stack.value ? viewport.index.value : frames.length >> 1;
      const rank = viewport === active ? Rank.active : Rank.shown;
      const held = this.interests.get(viewport);
      if (held && held.frames === frames) {
        held.interest.index = index;
        held.interest.rank = rank;
        continue;
      }
      held?.stop();
      const interest: Interest = { frames, index, rank };
      this.interests.set(viewport, { frames, interest, stop: this.store.want(interest) });
    }
    this.store.pump();
  }
}

const NOTHING: readonly Frame[] = [];

function framesOf(source: Source | undefined): readonly Frame[] {
  if (source?.kind === "stack") return source.stack.frames;
  if (source?.kind === "mpr" || source?.kind === "volume") return source.group.volume.frames;
  return NOTHING;
}
