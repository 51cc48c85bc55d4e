// Another volume of the same frame of reference, in colour over the picture.

import type { JSX } from "preact";
import { formatNumber, t } from "../../i18n";
import { Menu, MenuItem } from "../../ui/controls";
import { useReading } from "../context";

export function FusionMenu(): JSX.Element | null {
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
