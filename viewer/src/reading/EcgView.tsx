// An electrocardiogram on paper: 25 mm a second, 10 mm a millivolt, small squares of a millimetre.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Document } from "../dicom/stacks";
import { millivolts, waveformsOf, type Waveform } from "../dicom/waveform";
import { t } from "../i18n";
import { reasonOf } from "../ui/notices";

const SPEED = 25; // mm/s
const GAIN = 10; // mm/mV
const BAND = 24; // mm a channel
const LEFT = 24; // for the name and the calibration pulse
const TOP = 8;

export function EcgView({ document }: { document: Document }): JSX.Element {
  const [waves, setWaves] = useState<readonly Waveform[]>();
  const [failed, setFailed] = useState<string>();
  useEffect(() => {
    waveformsOf(document.dataset)
      .then(setWaves)
      .catch((error: unknown) => setFailed(reasonOf(error)));
  }, [document]);
  if (failed) return <div class="pane-state error" role="alert">{failed}</div>;
  if (!waves) return <div class="pane-state"><span class="spinner" /></div>;
  return (
    <div class="document ecg" tabIndex={0}>
      <p>{t("ecg.scale")}</p>
      {waves.map((wave, i) => (
        <Paper key={i} wave={wave} />
      ))}
    </div>
  );
}

function Paper({ wave }: { wave: Waveform }): JSX.Element {
  const seconds = (wave.channels[0]?.samples.length ?? 0) / wave.frequency;
  const [width, height] = [Math.ceil(LEFT + seconds * SPEED + 4), wave.channels.length * BAND + TOP];
  const lines = (step: number): string =>
    [
      ...Array.from({ length: Math.floor(width / step) + 1 }, (_, i) => `M${i * step} 0V${height}`),
      ...Array.from({ length: Math.floor(height / step) + 1 }, (_, i) => `M0 ${i * step}H${width}`),
    ].join("");
  return (
    <svg class="ecg-paper" viewBox={`0 0 ${width} ${height}`} style={{ width: `${width}mm`, height: `${height}mm` }} role="img" aria-label={t("ecg.title")}>
      <path class="fine" d={lines(1)} />
      <path class="coarse" d={lines(5)} />
      {wave.channels.map((channel, c) => {
        const scale = millivolts(channel.unit);
        const middle = TOP + (c + 0.5) * BAND;
        // A channel that is no voltage has no scale of its own on this paper: it fills its band.
        const most = channel.samples.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-9);
        const gain = scale === undefined ? (BAND * 0.4) / most : scale * GAIN;
        const step = SPEED / wave.frequency;
        const d = Array.from(channel.samples, (v, i) => `${i ? "L" : "M"}${(LEFT + i * step).toFixed(2)} ${(middle - v * gain).toFixed(2)}`).join("");
        return (
          <g key={c}>
            <text x="1" y={middle - 4}>
              {channel.label.replace(/^Lead /, "")}
            </text>
            {scale !== undefined && <path class="trace" d={`M13 ${middle}h2v${-GAIN}h5v${GAIN}h2`} />}
            <path class="trace" d={d} data-lead={channel.label} />
          </g>
        );
      })}
    </svg>
  );
}
