// Window and level: what the image asks for, automatic, presets, sigmoid, by numbers.

import type { JSX } from "preact";
import { text } from "../../dicom/json";
import { Tag } from "../../dicom/tags";
import { formatNumber, isKey, t } from "../../i18n";
import { autoVoi, presets, straight, windowVoi, type Voi } from "../../pixels/voi";
import { Menu, MenuItem } from "../../ui/controls";
import { useReading } from "../context";

export function WindowMenu(): JSX.Element | null {
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
              hint={`${formatNumber(window.width, window.width < 10 ? 2 : 0)} / ${formatNumber(window.center, window.width < 10 ? 2 : 0)}`}
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
              onClick={() => choose({ kind: "window", center: preset.center, width: preset.width, shape: straight(frame) }, close)}
            />
          ))}
          {voi?.kind === "window" && (
            <MenuItem
              label={t("window.sigmoid")}
              checked={voi.shape === "SIGMOID"}
              onClick={() => choose({ ...voi, shape: voi.shape === "SIGMOID" ? straight(frame) : "SIGMOID" }, close)}
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
        <input type="number" min="0" step="any" value={Math.round(voi.width * 100) / 100} onChange={(e) => apply(windowVoi({ ...voi, width: Math.max(Number(e.currentTarget.value), 1e-3) }, voi.shape))} />
      </label>
      <label>
        {t("window.center")}
        <input type="number" step="any" value={Math.round(voi.center * 100) / 100} onChange={(e) => apply({ ...voi, center: Number(e.currentTarget.value) })} />
      </label>
    </div>
  );
}
