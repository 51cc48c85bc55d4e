// Lines upon the picture: measurements, reference lines, crosshair, scale, colour legend.

import type { JSX } from "preact";
import { fromPatient, referenceLine } from "../geometry/plane";
import { apply } from "../geometry/view";
import { distance2, type Vec2 } from "../geometry/vector";
import { colormap } from "../pixels/colormap";
import { pointsOn, type Annotation } from "../tools/annotation";
import { resultsOf, TOOLS } from "../tools";
import type { Stroke } from "../tools/tool";
import { formatNumber } from "../i18n";
import { useReading } from "./context";
import { crosshairLines } from "./crosshair";
import { Drawings } from "./Drawings";
import { resultText } from "./format";
import { ContourLines } from "./Overlays";
import { showingIn } from "./presentations";
import { Shutters } from "./Shutters";
import type { Viewport } from "./viewport";

export function Overlay({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session } = useReading();
  const { width, height } = viewport.rect.value;
  if (!viewport.source.value || width === 0) return null;
  return (
    <svg class="overlay" width={width} height={height} aria-hidden="true">
      <Shutters viewport={viewport} />
      {session.showReferenceLines.value && <ReferenceLines viewport={viewport} />}
      <ContourLines viewport={viewport} />
      <Crosshair viewport={viewport} />
      <Located viewport={viewport} />
      {session.showAnnotations.value && <Annotations viewport={viewport} />}
      {session.showAnnotations.value && <Drawings viewport={viewport} />}
      <DraftShape viewport={viewport} />
      <ScaleBar viewport={viewport} />
      <Legend viewport={viewport} />
    </svg>
  );
}

function ReferenceLines({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session } = useReading();
  const active = session.active.value;
  const plane = viewport.plane.value;
  const toScreen = viewport.toScreen.value;
  if (!active || active === viewport || !plane || !toScreen || viewport.source.value?.kind !== "stack") return null;
  const other = active.plane.value;
  const same = active.reference.value?.frameOfReference === viewport.frame.value?.frameOfReference;
  if (!other || !same || active.source.value?.kind === "volume") return null;
  const line = referenceLine(plane, other);
  if (!line) return null;
  const [a, b] = [apply(toScreen, line[0]), apply(toScreen, line[1])];
  return <line class="reference" x1={a[0]} y1={a[1]} x2={b[0]} y2={b[1]} />;
}

function Crosshair({ viewport }: { viewport: Viewport }): JSX.Element {
  const { session } = useReading();
  return (
    <>
      {crosshairLines(viewport, session.viewports.value).map(({ view, from, to }) => (
        <line key={view} class={`crosshair ${view}`} x1={from[0]} y1={from[1]} x2={to[0]} y2={to[1]} />
      ))}
    </>
  );
}

function Located({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { session, drafts } = useReading();
  const located = drafts.located.value;
  const plane = viewport.plane.value;
  const toScreen = viewport.toScreen.value;
  if (!located || session.tool.value !== "crosshair" || !plane || !toScreen || viewport.source.value?.kind !== "stack") return null;
  if (viewport.frame.value?.frameOfReference !== located.frameOfReference) return null;
  const [x, y] = apply(toScreen, fromPatient(plane, located.point).at);
  return <path class="located" d={`M${x - 12} ${y}h8m8 0h8M${x} ${y - 12}v8m0 8v8`} />;
}

function Annotations({ viewport }: { viewport: Viewport }): JSX.Element {
  const { session } = useReading();
  const hidden = showingIn(viewport)?.hidden;
  return (
    <>
      {session.annotations.value.map((annotation) => {
        if (hidden?.has(annotation.id)) return null;
        const points = pointsOn(annotation, viewport.picture.value);
        return points && <Shape key={annotation.id} viewport={viewport} annotation={annotation} points={points} />;
      })}
    </>
  );
}

function Shape({ viewport, annotation, points }: { viewport: Viewport; annotation: Annotation; points: readonly Vec2[] }): JSX.Element | null {
  const { session } = useReading();
  const toScreen = viewport.toScreen.value;
  const surface = viewport.surface.value;
  if (!toScreen || !surface) return null;
  // Statistics follow the pixels: they may arrive after the shape.
  void viewport.pixels.value;
  const tool = TOOLS[annotation.tool];
  const selected = session.selected.value === annotation.id;
  const screen = points.map((p) => apply(toScreen, p));
  const lines = [annotation.text, ...resultsOf(annotation, surface, points).map(resultText)].filter(Boolean);
  const outline = tool.strokes(points, surface).flatMap((stroke) => stroke.points.map((p) => apply(toScreen, p)));
  const anchor = annotation.tool === "arrow" ? screen[1]! : [...outline, ...(outline.length > 0 ? [] : screen)].reduce((a, b) => (b[0] > a[0] ? b : a));
  const dot = annotation.tool === "probe";
  return (
    <g class={selected ? "annotation selected" : "annotation"} data-tool={annotation.tool}>
      {tool.strokes(points, surface).map((stroke, i) => (
        <StrokePath key={i} stroke={stroke} toScreen={(p) => apply(toScreen, p)} />
      ))}
      {(selected || dot) &&
        (tool.gesture === "trace" ? [] : screen).map(([x, y], i) => <circle key={i} class="handle" cx={x} cy={y} r={dot ? 3 : 4.5} />)}
      <Label at={annotation.tool === "text" ? [anchor[0] - 8, anchor[1]] : anchor} lines={lines} pane={[viewport.rect.value.width, viewport.rect.value.height]} />
    </g>
  );
}

function StrokePath({ stroke, toScreen }: { stroke: Stroke; toScreen: (p: Vec2) => Vec2 }): JSX.Element | null {
  if (stroke.points.length < 2) return null;
  const screen = stroke.points.map(toScreen);
  const d = `M${screen.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}${stroke.closed ? "Z" : ""}`;
  return (
    <>
      <path class="halo" d={d} />
      <path class={stroke.dashed ? "stroke dashed" : "stroke"} d={d} />
      {stroke.arrow && <path class="stroke" d={arrowHead(screen[0]!, screen[1]!)} />}
    </>
  );
}

function arrowHead(tip: Vec2, tail: Vec2): string {
  const angle = Math.atan2(tail[1] - tip[1], tail[0] - tip[0]);
  const wing = (turn: number): string =>
    `${(tip[0] + 12 * Math.cos(angle + turn)).toFixed(1)} ${(tip[1] + 12 * Math.sin(angle + turn)).toFixed(1)}`;
  return `M${wing(0.45)}L${tip[0].toFixed(1)} ${tip[1].toFixed(1)}L${wing(-0.45)}`;
}

const LINE = 16;

function Label({ at, lines, pane }: { at: Vec2; lines: readonly string[]; pane: Vec2 }): JSX.Element | null {
  if (lines.length === 0) return null;
  // Kept inside the pane: a number cut off may be read as another number.
  const width = Math.max(...lines.map((line) => [...line].reduce((w, c) => w + (c > "⺀" ? 13 : 7.2), 0)));
  const x = Math.max(Math.min(at[0] + 10, pane[0] - width - 6), 4);
  const y = Math.max(Math.min(at[1] + 4, pane[1] - LINE * lines.length), LINE);
  return (
    <text class="label" x={x} y={y}>
      {lines.map((line, i) => (
        <tspan key={i} x={x} dy={i === 0 ? 0 : LINE}>
          {line}
        </tspan>
      ))}
    </text>
  );
}

function DraftShape({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const { drafts } = useReading();
  const draft = drafts.draft.value;
  const toScreen = viewport.toScreen.value;
  const surface = viewport.surface.value;
  if (!draft || draft.viewport !== viewport || !toScreen || !surface) return null;
  const tool = TOOLS[draft.tool];
  let points = draft.points;
  if (tool.gesture === "points" && draft.hover) points = [...points, draft.hover];
  const whole = tool.count === undefined || points.length >= tool.count;
  if (whole && tool.complete && points.length === 2 && distance2(points[0]!, points[1]!) > 0) points = tool.complete(points, surface);
  const screen = points.map((p) => apply(toScreen, p));
  const lines = whole && points.length > 1 ? tool.results(points, surface).map(resultText) : [];
  const anchor = screen.reduce((a, b) => (b[0] > a[0] ? b : a));
  const strokes = tool.strokes(points, surface);
  const drawn = strokes.some((s) => s.points.length > 1) ? strokes : [{ points }];
  return (
    <g class="annotation selected">
      {drawn.map((stroke, i) => (
        <StrokePath key={i} stroke={stroke} toScreen={(p) => apply(toScreen, p)} />
      ))}
      <Label at={anchor} lines={lines} pane={[viewport.rect.value.width, viewport.rect.value.height]} />
    </g>
  );
}

/** A ruler of a round length, only where millimetres are those of the patient. */
function ScaleBar({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const placement = viewport.placement.value;
  const surface = viewport.surface.value;
  const size = viewport.size.value;
  const { width, height } = viewport.rect.value;
  if (!placement || !surface || !size || width < 220) return null;
  const spacing = surface.spacingAt([[size[0] / 2, size[1] / 2]]);
  if (spacing.source !== "patient") return null;
  const perMillimetre = placement.zoom / spacing.column;
  const millimetres = [200, 100, 50, 20, 10, 5, 2, 1].find((mm) => mm * perMillimetre < height * 0.5 - 70) ?? 1;
  const length = millimetres * perMillimetre;
  // Below the middle, where the orientation letter is.
  const [x, y] = [width - 12, height / 2 + 24];
  const ticks = Array.from({ length: 11 }, (_, i) => `M${x} ${(y + (length * i) / 10).toFixed(1)}h${i % 5 ? -4 : -8}`).join("");
  return (
    <g class="scale">
      <path d={`M${x} ${y}v${length}${ticks}`} />
      <text x={x - 2} y={y - 5} text-anchor="end">
        {millimetres >= 10 ? `${formatNumber(millimetres / 10, 0)} cm` : `${millimetres} mm`}
      </text>
    </g>
  );
}

function Legend({ viewport }: { viewport: Viewport }): JSX.Element | null {
  const name = viewport.colormap.value;
  const voi = viewport.voi.value;
  const { height } = viewport.rect.value;
  if (!name || voi?.kind !== "window") return null;
  const map = colormap(name);
  const inverse = viewport.inverted.value;
  const stops = Array.from({ length: 17 }, (_, i) => {
    const at = Math.round(((inverse ? i : 16 - i) / 16) * 255) * 4;
    return <stop key={i} offset={`${(i / 16) * 100}%`} stop-color={`rgb(${map[at]},${map[at + 1]},${map[at + 2]})`} />;
  });
  const tall = Math.min(height * 0.4, 220);
  const y = (height - tall) / 2;
  const id = `legend-${viewport.id}`;
  const unit = viewport.reference.value?.modality.unit ?? "";
  const digits = voi.width < 20 ? 1 : 0;
  return (
    <g class="legend">
      <linearGradient id={id} x1="0" y1="0" x2="0" y2="1">
        {stops}
      </linearGradient>
      <rect x={26} y={y} width={10} height={tall} fill={`url(#${id})`} />
      <text x={40} y={y + 10}>{`${formatNumber(voi.center + voi.width / 2, digits)} ${unit}`}</text>
      <text x={40} y={y + tall}>{formatNumber(voi.center - voi.width / 2, digits)}</text>
    </g>
  );
}
