import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { text } from "../dicom/json";
import { Tag } from "../dicom/tags";
import { formatDate, formatNumber, isKey, language, setLanguage, t } from "../i18n";
import { COLORMAPS, type ColormapName } from "../pixels/colormap";
import { autoVoi, presets, windowVoi, type Voi } from "../pixels/voi";
import { TRANSFER_FUNCTIONS, type TransferName } from "../render/transfer";
import { Dialog, IconButton, Menu, MenuItem } from "../ui/controls";
import type { IconName } from "../ui/icons";
import { ACTIONS, type ActionName } from "./actions";
import { rateOf } from "./cine";
import { useReading } from "./context";
import { ageText, sexText } from "./Corners";
import { may } from "../access/session";
import { fitting, hang, isOwn, remove, save } from "./hanging";
import { Help } from "./Help";
import { keymap } from "./keys";
import { exportImage } from "./export";
import type { PointerTool, Session } from "./session";
import type { Viewport } from "./viewport";

interface ToolbarProps {
  strip: { value: boolean };
  side: { value: boolean };
  report: { value: boolean };
}

export function Toolbar({ strip, side, report }: ToolbarProps): JSX.Element {
  const reading = useReading();
  const { session } = reading;
  const help = useSignal(false);
  return (
    <header class="toolbar">
      <a class="icon-button" href="./" title={t("action.worklist")} aria-label={t("action.worklist")}>
        <BackIcon />
      </a>
      <Banner session={session} />
      <div class="tools" role="toolbar" aria-label={t("toolbar.tools")}>
        <ToolButtons names={["window", "scroll", "pan", "zoom", "magnify", "crosshair"]} />
        <WindowMenu />
        <span class="divider" />
        <MeasureMenu />
        <ToolButtons names={["length", "ellipse"]} wide />
        <span class="divider" />
        <ActionButtons names={["invert", "rotate", "fit", "reset"]} wide />
        <ViewMenu />
        <ColorMenu />
        <CineMenu />
        <span class="divider" />
        <LayoutMenu />
        <LinkMenu />
        <MprMenu />
        <FusionMenu />
        <ActionButtons names={["keyImage"]} />
        <Menu icon="camera" label={t("export.title")}>
          {(close) => (
            <>
              <MenuItem icon="download" label={t("export.png")} onClick={() => { close(); void exportImage(reading, "pane"); }} />
              <MenuItem icon="download" label={t("export.pngAll")} onClick={() => { close(); void exportImage(reading, "layout"); }} />
              <MenuItem icon="print" label={t("export.print")} onClick={() => { close(); void exportImage(reading, "print"); }} />
            </>
          )}
        </Menu>
      </div>
      <div class="tools end">
        <IconButton icon="strip" label={t("toolbar.strip")} pressed={strip.value} onClick={() => (strip.value = !strip.value)} />
        {may("read-reports") && (
          <IconButton icon="document" label={t("toolbar.report")} pressed={report.value} onClick={() => (report.value = !report.value)} />
        )}
        <IconButton icon="panel" label={t("toolbar.panel")} pressed={side.value} onClick={() => (side.value = !side.value)} />
        <ActionButtons names={["fullScreen"]} wide />
        <IconButton icon="help" label={t("help.title")} shortcut="?" onClick={() => (help.value = true)} />
        <button type="button" class="icon-button" lang={language.value === "zh" ? "en" : "zh"} onClick={() => setLanguage(language.value === "zh" ? "en" : "zh")}>
          {language.value === "zh" ? "EN" : "中"}
        </button>
      </div>
      {help.value && <Help close={() => (help.value = false)} />}
      <HelpKey open={() => (help.value = true)} />
    </header>
  );
}

function HelpKey({ open }: { open: () => void }): null {
  const { helpKey } = window as unknown as { helpKey?: boolean };
  if (!helpKey) {
    (window as unknown as { helpKey: boolean }).helpKey = true;
    document.addEventListener("keydown", (event) => {
      if (event.key === "?" && !(event.target as Element).closest("input, textarea, dialog")) open();
    });
  }
  return null;
}

const BackIcon = (): JSX.Element => (
  <svg class="icon" width="20" height="20" viewBox="0 0 24 24" aria-hidden="true">
    <path d="M14 5l-7 7 7 7" />
  </svg>
);

function Banner({ session }: { session: Session }): JSX.Element {
  const facts = session.active.value?.reference.value?.dataset ?? session.studies.value[0]?.facts ?? {};
  const name = text(facts, Tag.PatientName);
  return (
    <div class="banner">
      <h1>{name ?? "—"}</h1>
      <span>
        {text(facts, Tag.PatientID) ?? "—"} · {sexText(text(facts, Tag.PatientSex))} · {ageText(facts)} · {formatDate(text(facts, Tag.StudyDate)) || "—"}
      </span>
    </div>
  );
}

const shortcut = (name: ActionName): string => keymap.value[name].replace("Arrow", "");

function ToolButtons({ names, wide }: { names: readonly (ActionName & PointerTool)[]; wide?: boolean }): JSX.Element {
  const reading = useReading();
  return (
    <span class={wide ? "group wide" : "group"}>
      {names.map((name) => (
        <IconButton
          key={name}
          icon={name as IconName}
          label={t(ACTIONS[name].label)}
          shortcut={shortcut(name)}
          pressed={reading.session.tool.value === name}
          onClick={() => ACTIONS[name].run(reading)}
        />
      ))}
    </span>
  );
}

function ActionButtons({ names, wide }: { names: readonly ActionName[]; wide?: boolean }): JSX.Element {
  const reading = useReading();
  const viewport = reading.session.active.value;
  const pressed = (name: ActionName): boolean | undefined => {
    if (name === "invert") return viewport?.inverted.value;
    if (name === "keyImage") return reading.session.keyFrames.value.some((f) => f.id === viewport?.frame.value?.id);
    return undefined;
  };
  return (
    <span class={wide ? "group wide" : "group"}>
      {names.map((name) => {
        const action = ACTIONS[name] as { icon?: IconName };
        return (
          <IconButton
            key={name}
            icon={action.icon ?? "more"}
            label={t(ACTIONS[name].label)}
            shortcut={shortcut(name)}
            pressed={pressed(name)}
            onClick={() => ACTIONS[name].run(reading)}
          />
        );
      })}
    </span>
  );
}

function MeasureMenu(): JSX.Element {
  const reading = useReading();
  const names = ["length", "bidirectional", "angle", "cobb", "rectangle", "ellipse", "freehand", "polygon", "probe", "arrow", "text"] as const;
  const current = names.find((name) => name === reading.session.tool.value);
  return (
    <Menu icon={current ?? "length"} label={t("toolbar.measure")} pressed={current !== undefined}>
      {(close) =>
        names.map((name) => (
          <MenuItem
            key={name}
            icon={name}
            label={t(ACTIONS[name].label)}
            hint={shortcut(name).toUpperCase()}
            checked={reading.session.tool.value === name}
            onClick={() => {
              close();
              ACTIONS[name].run(reading);
            }}
          />
        ))
      }
    </Menu>
  );
}

function WindowMenu(): JSX.Element | null {
  const { session } = useReading();
  const viewport = session.active.value;
  const frame = viewport?.reference.value;
  if (!viewport || !frame || frame.format.samples === 3) return null;
  const choose = (voi: Voi | undefined, close: () => void): void => {
    close();
    viewport.chosenVoi.value = voi;
    session.sync.windowed(viewport);
  };
  const { unit } = frame.modality;
  const list = presets(text(frame.dataset, Tag.Modality) ?? "", unit);
  const voi = viewport.voi.value;
  return (
    <Menu label={t("window.title")} text="W/L">
      {(close) => (
        <>
          {frame.windows.map((window, i) => (
            <MenuItem
              key={`own${i}`}
              label={window.explanation ?? t("window.own", { number: i + 1 })}
              hint={`${formatNumber(window.width, 0)} / ${formatNumber(window.center, 0)}`}
              onClick={() => choose(windowVoi(window, frame.voiFunction), close)}
            />
          ))}
          {frame.voiLuts.map((lut, i) => (
            <MenuItem key={`lut${i}`} label={lut.explanation ?? `VOI LUT ${i + 1}`} onClick={() => choose({ kind: "table", lut }, close)} />
          ))}
          <MenuItem
            label={t("window.auto")}
            onClick={() => {
              const pixels = viewport.pixels.value ?? session.store.get(frame);
              if (pixels) choose(autoVoi(frame, pixels), close);
            }}
          />
          {list.map((preset, i) => (
            <MenuItem
              key={preset.key}
              label={isKey(preset.key) ? t(preset.key) : preset.key}
              hint={`${preset.width} / ${preset.center}${i < 9 && unit === "HU" ? `  ${i + 1}` : ""}`}
              onClick={() => choose({ kind: "window", center: preset.center, width: preset.width, shape: "LINEAR" }, close)}
            />
          ))}
          {voi?.kind === "window" && (
            <MenuItem
              label={t("window.sigmoid")}
              checked={voi.shape === "SIGMOID"}
              onClick={() => choose({ ...voi, shape: voi.shape === "SIGMOID" ? "LINEAR" : "SIGMOID" }, close)}
            />
          )}
          {voi?.kind === "window" && <WindowFields voi={voi} apply={(next) => choose(next, () => undefined)} />}
        </>
      )}
    </Menu>
  );
}

function WindowFields({ voi, apply }: { voi: Extract<Voi, { kind: "window" }>; apply: (voi: Voi) => void }): JSX.Element {
  return (
    <div class="fields">
      <label>
        {t("window.width")}
        <input type="number" min="1" value={Math.round(voi.width * 100) / 100} onChange={(e) => apply({ ...voi, width: Math.max(Number(e.currentTarget.value), 1e-3) })} />
      </label>
      <label>
        {t("window.center")}
        <input type="number" value={Math.round(voi.center * 100) / 100} onChange={(e) => apply({ ...voi, center: Number(e.currentTarget.value) })} />
      </label>
    </div>
  );
}

function ViewMenu(): JSX.Element {
  const reading = useReading();
  const { session } = reading;
  const viewport = session.active.value;
  const run = (name: ActionName): void => {
    ACTIONS[name].run(reading);
  };
  const filters = [
    [-1, "filter.smooth"],
    [0, "filter.none"],
    [1, "filter.sharp"],
    [3, "filter.sharper"],
  ] as const;
  return (
    <Menu icon="filter" label={t("toolbar.view")} pressed={(viewport?.filter.value ?? 0) !== 0}>
      {() => (
        <>
          {!session.flat.value && filters.map(([value, label]) => (
            <MenuItem key={value} label={t(label)} checked={viewport?.filter.value === value} onClick={() => { if (viewport) viewport.filter.value = value; }} />
          ))}
          <hr />
          <MenuItem
            label={t("filter.interpolate")}
            checked={viewport?.interpolate.value}
            onClick={() => { if (viewport) viewport.interpolate.value = !viewport.interpolate.value; }}
          />
          <hr />
          {(["fit", "one", "rotate", "flipX", "flipY", "invert", "reset"] as const).map((name) => (
            <MenuItem key={name} icon={(ACTIONS[name] as { icon?: IconName }).icon} label={t(ACTIONS[name].label)} hint={shortcut(name)} onClick={() => run(name)} />
          ))}
          <hr />
          <MenuItem label={t("action.toggleCorners")} hint="C" checked={session.showCorners.value} onClick={() => run("toggleCorners")} />
          <MenuItem label={t("action.toggleAnnotations")} hint="M" checked={session.showAnnotations.value} onClick={() => run("toggleAnnotations")} />
          <MenuItem
            label={t("view.referenceLines")}
            checked={session.showReferenceLines.value}
            onClick={() => (session.showReferenceLines.value = !session.showReferenceLines.value)}
          />
        </>
      )}
    </Menu>
  );
}

function ColorMenu(): JSX.Element | null {
  const { session } = useReading();
  const viewport = session.active.value;
  if (!viewport?.reference.value || viewport.reference.value.format.samples === 3) return null;
  const choose = (name: ColormapName | undefined, close: () => void): void => {
    close();
    viewport.colormap.value = name;
  };
  return (
    <Menu icon="colors" label={t("color.title")} pressed={viewport.colormap.value !== undefined}>
      {(close) => (
        <>
          <MenuItem label={t("color.grey")} checked={!viewport.colormap.value} onClick={() => choose(undefined, close)} />
          {COLORMAPS.map((name) => (
            <MenuItem key={name} label={t(`color.${name}`)} checked={viewport.colormap.value === name} onClick={() => choose(name, close)} />
          ))}
        </>
      )}
    </Menu>
  );
}

function CineMenu(): JSX.Element | null {
  const { session } = useReading();
  const viewport = session.active.value;
  if (!viewport || viewport.range.value.count < 2) return null;
  const playing = viewport.playing.value > 0;
  const rate = playing ? viewport.playing.value : rateOf(viewport);
  const setRate = (next: number): void => {
    viewport.cineRate.value = next;
    if (playing) viewport.playing.value = next;
  };
  return (
    <Menu icon={playing ? "pause" : "play"} label={t("cine.title")} pressed={playing}>
      {() => (
        <>
          <MenuItem icon={playing ? "pause" : "play"} label={t("cine.toggle")} hint={t("key.space")} onClick={() => (viewport.playing.value = playing ? 0 : rate)} />
          <div class="fields">
            <label>
              {t("cine.rate", { rate: formatNumber(rate, 0) })}
              <input type="range" min="1" max="60" value={rate} onInput={(e) => setRate(Number(e.currentTarget.value))} />
            </label>
          </div>
          {(["loop", "bounce", "once"] as const).map((mode) => (
            <MenuItem key={mode} label={t(`cine.${mode}`)} checked={viewport.loop.value === mode} onClick={() => (viewport.loop.value = mode)} />
          ))}
        </>
      )}
    </Menu>
  );
}

function LayoutMenu(): JSX.Element {
  const { session } = useReading();
  const { rows, columns } = session.layout.value;
  const over = useSignal<readonly [number, number]>([rows, columns]);
  const saving = useSignal(false);
  return (
    <>
    <Menu icon="layout" label={t("layout.title")}>
      {(close) => (
        <>
          <div class="layout-grid" role="group" aria-label={t("layout.title")}>
            {Array.from({ length: 16 }, (_, i) => {
              const [r, c] = [Math.floor(i / 4) + 1, (i % 4) + 1];
              const inside = r <= over.value[0] && c <= over.value[1];
              return (
                <button
                  key={i}
                  type="button"
                  class={inside ? "cell on" : "cell"}
                  aria-label={`${r} × ${c}`}
                  onPointerEnter={() => (over.value = [r, c])}
                  onFocus={() => (over.value = [r, c])}
                  onClick={() => {
                    close();
                    session.setLayout({ rows: r, columns: c });
                    session.fill();
                  }}
                />
              );
            })}
          </div>
          <p class="menu-note">{`${over.value[0]} × ${over.value[1]}`}</p>
          <hr />
          {fitting(session).map((protocol) => (
            <div class="protocol" key={protocol.id}>
              <MenuItem label={protocol.title ? t(protocol.title) : protocol.name} hint={`${protocol.rows} × ${protocol.columns}`} onClick={() => { close(); hang(session, protocol); }} />
              {isOwn(protocol) && <IconButton icon="trash" label={`${t("action.remove")} ${protocol.name}`} onClick={() => remove(protocol)} />}
            </div>
          ))}
          <MenuItem icon="save" label={t("hanging.save")} onClick={() => { close(); saving.value = true; }} />
        </>
      )}
    </Menu>
    {saving.value && <HangingDialog close={() => (saving.value = false)} />}
    </>
  );
}

/** Names the present layout and keeps it as a hanging protocol. */
function HangingDialog({ close }: { close: () => void }): JSX.Element {
  const { session } = useReading();
  const modality = session.active.value?.stack.value?.modality ?? "";
  return (
    <Dialog title={t("hanging.save")} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const name = String(form.get("name") ?? "").trim();
          if (name) save(session, name, form.get("automatic") !== null);
          close();
        }}
      >
        <label class="field">
          {t("hanging.name")}
          <input name="name" type="text" maxLength={40} required autofocus />
        </label>
        <label class="field check">
          <input name="automatic" type="checkbox" /> {t("hanging.automatic", { modality })}
        </label>
        <footer>
          <button type="submit" class="button primary">
            {t("action.ok")}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function LinkMenu(): JSX.Element | null {
  const { session } = useReading();
  const { sync } = session;
  if (session.viewports.value.length < 2) return null;
  const any = sync.scroll.value || sync.window.value || sync.view.value;
  return (
    <Menu icon="link" label={t("sync.title")} pressed={any}>
      {() => (
        <>
          <MenuItem label={t("sync.scroll")} checked={sync.scroll.value} onClick={() => sync.toggleScroll()} />
          <MenuItem label={t("sync.window")} checked={sync.window.value} onClick={() => (sync.window.value = !sync.window.value)} />
          <MenuItem label={t("sync.view")} checked={sync.view.value} onClick={() => (sync.view.value = !sync.view.value)} />
        </>
      )}
    </Menu>
  );
}

function MprMenu(): JSX.Element | null {
  const { session } = useReading();
  const viewport = session.active.value;
  const source = viewport?.source.value;
  const stack = viewport?.stack.value;
  if (session.flat.value || !viewport || (!stack && source?.kind !== "mpr" && source?.kind !== "volume")) return null;
  if (stack && (stack.frames.length < 3 || !stack.frames[0]!.plane)) return null;
  const start = (): void => {
    const reason = stack && session.mpr(stack);
    if (reason) session.say("error", t(`mpr.no.${reason}`));
  };
  return (
    <Menu icon="mpr" label={t("mpr.title")} pressed={source?.kind === "mpr" || source?.kind === "volume"}>
      {(close) => (
        <>
          {stack && <MenuItem icon="mpr" label={t("mpr.start")} onClick={() => { close(); start(); }} />}
          {source && source.kind !== "stack" && source.kind !== "document" && (
            <MenuItem label={t("mpr.end")} onClick={() => { close(); endMpr(session); }} />
          )}
          {source?.kind === "mpr" && <SlabFields viewport={viewport} session={session} />}
          {source?.kind === "volume" &&
            (Object.keys(TRANSFER_FUNCTIONS) as TransferName[])
              .filter((name) => source.group.volume.frames[0]!.modality.unit === "HU" || TRANSFER_FUNCTIONS[name].range === null)
              .map((name) => (
                <MenuItem key={name} label={t(`volume.${name}`)} checked={viewport.volumePreset.value === name} onClick={() => (viewport.volumePreset.value = name)} />
              ))}
        </>
      )}
    </Menu>
  );
}

function FusionMenu(): JSX.Element | null {
  const { session } = useReading();
  const viewport = session.active.value;
  if (!viewport || session.flat.value) return null;
  const others = session.fusible(viewport);
  if (others.length === 0) return null;
  const fusion = viewport.fusion.value;
  // Planes of one reconstruction are fused together.
  const source = viewport.source.value;
  const all = session.viewports.value.filter((v) => {
    const theirs = v.source.value;
    return v === viewport || (source?.kind === "mpr" && theirs?.kind === "mpr" && theirs.group === source.group);
  });
  const set = (next: typeof fusion): void => {
    for (const v of all) v.fusion.value = next;
  };
  return (
    <Menu icon="fusion" label={t("fusion.title")} pressed={fusion !== undefined}>
      {() => (
        <>
          <MenuItem label={t("fusion.none")} checked={!fusion} onClick={() => set(undefined)} />
          {others.map(({ stack, group }) => (
            <MenuItem
              key={stack.id}
              label={`${stack.modality} ${stack.description || t("strip.unnamed")}`}
              checked={fusion?.stack === stack}
              onClick={() => set({ stack, group, colormap: fusion?.colormap ?? "hot-iron", opacity: fusion?.opacity ?? 0.6 })}
            />
          ))}
          {fusion && (
            <>
              <hr />
              {(["hot-iron", "pet", "rainbow", "jet"] as const).map((name) => (
                <MenuItem key={name} label={t(`color.${name}`)} checked={fusion.colormap === name} onClick={() => set({ ...fusion, colormap: name })} />
              ))}
              <div class="fields">
                <label>
                  {t("fusion.opacity", { percent: formatNumber(fusion.opacity * 100, 0) })}
                  <input type="range" min="0" max="100" value={fusion.opacity * 100} onInput={(e) => set({ ...fusion, opacity: Number(e.currentTarget.value) / 100 })} />
                </label>
              </div>
            </>
          )}
        </>
      )}
    </Menu>
  );
}

function SlabFields({ viewport, session }: { viewport: Viewport; session: Session }): JSX.Element {
  const slab = viewport.slab.value;
  const all = (change: Partial<typeof slab>): void => {
    for (const other of session.viewports.value)
      if (other.source.value?.kind === "mpr") other.slab.value = { ...slab, ...change };
  };
  return (
    <>
      <hr />
      {(["max", "min", "mean"] as const).map((mode) => (
        <MenuItem key={mode} label={t(`slab.${mode}`)} checked={slab.thickness > 0 && slab.mode === mode} onClick={() => all({ mode, thickness: slab.thickness || 10 })} />
      ))}
      <div class="fields">
        <label>
          {t("slab.thickness", { mm: formatNumber(slab.thickness, 0) })}
          <input type="range" min="0" max="100" value={slab.thickness} onInput={(e) => all({ thickness: Number(e.currentTarget.value) })} />
        </label>
      </div>
    </>
  );
}

function endMpr(session: Session): void {
  const source = session.active.value?.source.value;
  if (source?.kind !== "mpr" && source?.kind !== "volume") return;
  const first = source.group.volume.frames[0]!;
  const stack = session.stacks.value.find((s) => s.frames.includes(first));
  session.setLayout({ rows: 1, columns: 1 });
  if (stack) session.showStack(session.viewports.value[0]!, stack);
  session.tool.value = "window";
}
