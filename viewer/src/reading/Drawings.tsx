// Lines and texts of a presentation state that is shown in a pane.

import type { JSX } from "preact";
import { apply } from "../geometry/view";
import type { Vec2 } from "../geometry/vector";
import { drawingsOn, outline } from "../tools/presentation";
import { showingIn } from "./presentations";
import type { Viewport } from "./viewport";

const LINE = 16;

export function Drawings({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const shown = showingIn(viewport);
  const frame = viewport.frame.value;
  const toScreen = viewport.toScreen.value;
  if (!shown || !frame || !toScreen) return null;
  const { area } = shown.presentation;
  const { columns, rows } = frame.format;
  const [min, max] = area ? [area.min, area.max] : [[0, 0] as Vec2, [columns, rows] as Vec2];
  const place = (units: "PIXEL" | "DISPLAY", [x, y]: Vec2): Vec2 =>
    apply(toScreen, units === "PIXEL" ? [x, y] : [min[0] + x * (max[0] - min[0]), min[1] + y * (max[1] - min[1])]);
  return (
    <g class="annotation state">
      {drawingsOn(shown.presentation, frame).map(({ units, shapes, texts }, n) => (
        <g key={n}>
          {shapes.map((shape, i) => {
            const line = outline(shape).map((p) => place(units, p));
            if (shape.type === "POINT") return line[0] && <circle key={i} class="handle" cx={line[0][0]} cy={line[0][1]} r={3} />;
            const d = `M${line.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
            return (
              <g key={i}>
                <path class="halo" d={d} />
                <path class="stroke" d={d} />
              </g>
            );
          })}
          {texts.map(({ at, lines }, i) => {
            const [x, y] = place(units, at);
            return (
              <text key={`t${i}`} class="label" x={x + 10} y={y + 4}>
                {lines.map((line, k) => (
                  <tspan key={k} x={x + 10} dy={k === 0 ? 0 : LINE}>
                    {line}
                  </tspan>
                ))}
              </text>
            );
          })}
        </g>
      ))}
    </g>
  );
}
