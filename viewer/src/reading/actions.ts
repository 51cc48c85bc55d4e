// Everything a key or a button can do, by name: one table for toolbar, keyboard and help.

import type { Key } from "../i18n";
import type { IconName } from "../ui/icons";
import { presets, straight } from "../pixels/voi";
import { togglePlay } from "./cine";
import type { Reading } from "./context";
import { endShowing } from "./presentations";
import { removeAnnotation } from "./saving";
import type { PointerTool } from "./session";
import type { Viewport } from "./viewport";

export interface Action {
  readonly label: Key;
  readonly icon?: IconName;
  readonly keys: string; // default key, as `describe` writes it; "" for none
  run(reading: Reading): void;
}

const tool = (name: PointerTool, label: Key, icon: IconName, keys: string): Action => ({
  label,
  icon,
  keys,
  run: ({ session, drafts }) => {
    drafts.cancel();
    session.tool.value = name;
  },
});

const onPane = (label: Key, keys: string, change: (viewport: Viewport, reading: Reading) => void, icon?: IconName): Action => ({
  label,
  icon,
  keys,
  run: (reading) => {
    const viewport = reading.session.active.value;
    if (viewport?.source.value) change(viewport, reading);
  },
});

const scroll = (steps: number) => (viewport: Viewport, { session }: Reading): void => {
  viewport.scrollBy(steps);
  session.sync.scrolled(viewport);
};

const preset = (n: number): Action =>
  onPane(`action.preset${n}` as Key, String(n), (viewport, { session }) => {
    const frame = viewport.reference.value;
    const list = frame ? presets(frame.modality.unit === "HU" ? "CT" : "", frame.modality.unit) : [];
    const chosen = list[n - 1];
    if (!frame || !chosen) return;
    viewport.chosenVoi.value = { kind: "window", center: chosen.center, width: chosen.width, shape: straight(frame) };
    session.sync.windowed(viewport);
  });

export const ACTIONS = {
  window: tool("window", "tool.window", "window", "w"),
  scroll: tool("scroll", "tool.scroll", "scroll", "s"),
  pan: tool("pan", "tool.pan", "pan", "p"),
  zoom: tool("zoom", "tool.zoom", "zoom", "z"),
  magnify: tool("magnify", "tool.magnify", "magnify", "g"),
  crosshair: tool("crosshair", "tool.crosshair", "crosshair", "x"),
  length: tool("length", "tool.length", "length", "l"),
  bidirectional: tool("bidirectional", "tool.bidirectional", "bidirectional", "b"),
  angle: tool("angle", "tool.angle", "angle", "a"),
  cobb: tool("cobb", "tool.cobb", "cobb", "o"),
  rectangle: tool("rectangle", "tool.rectangle", "rectangle", "r"),
  ellipse: tool("ellipse", "tool.ellipse", "ellipse", "e"),
  freehand: tool("freehand", "tool.freehand", "freehand", "f"),
  polygon: tool("polygon", "tool.polygon", "polygon", "y"),
  probe: tool("probe", "tool.probe", "probe", "q"),
  arrow: tool("arrow", "tool.arrow", "arrow", "n"),
  text: tool("text", "tool.text", "text", "t"),
  next: onPane("action.next", "ArrowDown", scroll(1)),
  previous: onPane("action.previous", "ArrowUp", scroll(-1)),
  forward: onPane("action.forward", "PageDown", scroll(10)),
  backward: onPane("action.backward", "PageUp", scroll(-10)),
  first: onPane("action.first", "Home", scroll(-1e9)),
  last: onPane("action.last", "End", scroll(1e9)),
  nextSeries: onPane("action.nextSeries", "ArrowRight", (viewport, { session }) => stepSeries(viewport, session, 1)),
  previousSeries: onPane("action.previousSeries", "ArrowLeft", (viewport, { session }) => stepSeries(viewport, session, -1)),
  fit: onPane("action.fit", "0", (viewport, { session }) => {
    viewport.fit();
    session.sync.viewed(viewport);
  }, "fit"),
  one: onPane("action.one", "!", (viewport, { session }) => {
    viewport.zoomTo(1 / (devicePixelRatio || 1));
    session.sync.viewed(viewport);
  }, "one"),
  rotate: onPane("action.rotate", ".", (viewport) => viewport.rotate(90), "rotate"),
  flipX: onPane("action.flipX", "h", (viewport) => viewport.flip("horizontal"), "flipX"),
  flipY: onPane("action.flipY", "v", (viewport) => viewport.flip("vertical"), "flipY"),
  invert: onPane("action.invert", "i", (viewport) => {
    viewport.inverted.value = !viewport.inverted.value;
  }, "invert"),
  reset: onPane("action.reset", "Escape", (viewport, { session, drafts }) => {
    if (drafts.draft.value) return drafts.cancel();
    viewport.reset();
    endShowing(viewport);
    session.sync.viewed(viewport);
  }, "reset"),
  play: onPane("cine.toggle", "Space", togglePlay, "play"),
  keyImage: onPane("action.keyImage", "k", (viewport, { session }) => {
    const frame = viewport.frame.value;
    if (!frame) return;
    const { keyFrames } = session;
    const known = keyFrames.value.some((f) => f.id === frame.id);
    keyFrames.value = known ? keyFrames.value.filter((f) => f.id !== frame.id) : [...keyFrames.value, frame];
  }, "key"),
  maximize: onPane("action.maximize", "Enter", (_, { session }) => {
    if (session.viewports.value.length > 1) session.maximized.value = !session.maximized.value;
  }),
  nextPane: {
    label: "action.nextPane",
    keys: "Tab",
    run: ({ session }) => {
      const list = session.viewports.value;
      const at = list.findIndex((v) => v === session.active.value);
      session.activeId.value = list[(at + 1) % list.length]!.id;
    },
  },
  deleteSelected: {
    label: "action.deleteSelected",
    keys: "Delete",
    run: ({ session }) => removeAnnotation(session, session.selected.value),
  },
  toggleAnnotations: {
    label: "action.toggleAnnotations",
    keys: "m",
    run: ({ session }) => (session.showAnnotations.value = !session.showAnnotations.value),
  },
  toggleCorners: {
    label: "action.toggleCorners",
    keys: "c",
    run: ({ session }) => (session.showCorners.value = !session.showCorners.value),
  },
  fullScreen: {
    label: "action.fullScreen",
    icon: "full",
    keys: "F11",
    run: () => void (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  },
  help: {
    label: "help.title",
    icon: "help",
    keys: "?",
    run: ({ over }) => {
      over.value = "help";
    },
  },
  preset1: preset(1),
  preset2: preset(2),
  preset3: preset(3),
  preset4: preset(4),
  preset5: preset(5),
  preset6: preset(6),
  preset7: preset(7),
  preset8: preset(8),
  preset9: preset(9),
} as const satisfies Record<string, Action>;

export type ActionName = keyof typeof ACTIONS;

function stepSeries(viewport: Viewport, session: Reading["session"], step: number): void {
  const stacks = session.stacks.value;
  const at = stacks.findIndex((s) => s.id === viewport.stack.value?.id);
  const next = stacks[at + step];
  if (next) session.showStack(viewport, next);
}
