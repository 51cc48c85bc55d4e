// Reconstruction: planes, slabs, volume rendering.

import type { JSX } from "preact";
import { formatNumber, t } from "../../i18n";
import { TRANSFER_FUNCTIONS, type TransferName } from "../../render/transfer";
import { Menu, MenuItem } from "../../ui/controls";
import { say } from "../../ui/notices";
import { useReading } from "../context";
import type { Session } from "../session";
import type { Viewport } from "../viewport";

export function MprMenu(): JSX.Element | null {
  const { session } = useReading();
  const viewport = session.active.value;
  const source = viewport?.source.value;
  const stack = viewport?.stack.value;
  if (session.flat.value || !viewport || (!stack && source?.kind !== "mpr" && source?.kind !== "volume")) return null;
  if (stack && (stack.frames.length < 3 || !stack.frames[0]!.plane)) return null;
  const start = (): void => {
    const reason = stack && session.mpr(stack);
    if (reason) say("error", t(`mpr.no.${reason}`));
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
