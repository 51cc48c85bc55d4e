// A stack as a film: its speed, and what it does at the end.

import type { JSX } from "preact";
import { formatNumber, t } from "../../i18n";
import { Menu, MenuItem } from "../../ui/controls";
import { rateOf } from "../cine";
import { useReading } from "../context";

export function CineMenu(): JSX.Element | null {
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
