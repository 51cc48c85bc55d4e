// Pseudo-colour maps.

import type { JSX } from "preact";
import { t } from "../../i18n";
import { COLORMAPS, type ColormapName } from "../../pixels/colormap";
import { Menu, MenuItem } from "../../ui/controls";
import { useReading } from "../context";

export function ColorMenu(): JSX.Element | null {
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
