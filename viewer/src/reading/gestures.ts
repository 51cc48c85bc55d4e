// Pointer, wheel and touch on a pane, turned into what the chosen tool does.
//
// Left button: the chosen tool. Middle: pan. Right: zoom. Wheel: scroll; with Ctrl: zoom. Two
// fingers: zoom and pan. A press on a measurement's handle or line takes hold of it.

import { batch } from "@preact/signals";
import { fromPatient, toPatient } from "../geometry/plane";
import { apply } from "../geometry/view";
import { distance2, dot, subtract, type Vec2 } from "../geometry/vector";
import { dragged } from "../pixels/voi";
import { pointsOn, type Annotation, type Target } from "../tools/annotation";
import { TOOLS } from "../tools";
import { moved, type ToolName } from "../tools/tool";
import { Drafts } from "./drafts";
import { crosshairLines } from "./crosshair";
import type { PointerTool, Session } from "./session";
import type { Viewport } from "./viewport";

const GRAB = 9; // CSS pixels
const GRAB_TOUCH = 22;

interface Drag {
  move(at: Vec2, delta: Vec2): void;
  end?(at: Vec2): void;
}

export class Gestures {
  private drag: Drag | undefined;
  private last: Vec2 = [0, 0];
  private readonly touches = new Map<number, Vec2>();
  private wheel = 0;

  constructor(
    private readonly session: Session,
    private readonly viewport: Viewport,
    private readonly element: HTMLElement,
    private readonly drafts: Drafts,
  ) {}

  attach(): () => void {
    const { element } = this;
    const on: [string, (event: never) => void, AddEventListenerOptions?][] = [
      ["pointerdown", this.down],
      ["pointermove", this.move],
      ["pointerup", this.up],
      ["pointercancel", this.up],
      ["dblclick", this.double],
      ["wheel", this.turn, { passive: false }],
      ["contextmenu", (event: Event) => event.preventDefault()],
    ];
    for (const [type, listener, options] of on) element.addEventListener(type, listener as EventListener, options);
    return () => {
      for (const [type, listener, options] of on) element.removeEventListener(type, listener as EventListener, options);
    };
  }

  private at(event: PointerEvent | MouseEvent): Vec2 {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private image(at: Vec2): Vec2 | undefined {
    const m = this.viewport.toImage.value;
    return m && apply(m, at);
  }

  private readonly down = (event: PointerEvent): void => {
    const { session, viewport } = this;
    if ((event.target as Element).closest("button, input, select, a")) return;
    session.activeId.value = viewport.id;
    const at = this.at(event);
    this.last = at;
    this.element.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") {
      this.touches.set(event.pointerId, at);
      if (this.touches.size === 2) {
        this.drafts.cancel();
        this.drag = this.pinch();
        return;
      }
      if (this.touches.size > 2) return;
    }
    this.drag =
      event.button === 1
        ? this.pan()
        : event.button === 2
          ? this.zoom()
          : (this.grab(at, event.pointerType === "touch" ? GRAB_TOUCH : GRAB) ?? this.begin(session.tool.value, at, event));
  };

  private readonly move = (event: PointerEvent): void => {
    const at = this.at(event);
    if (this.touches.has(event.pointerId)) this.touches.set(event.pointerId, at);
    if (!this.drag) {
      if (event.pointerType !== "touch") this.drafts.hover(this.viewport, this.image(at), at);
      return;
    }
    const delta: Vec2 = [at[0] - this.last[0], at[1] - this.last[1]];
    this.last = at;
    batch(() => this.drag?.move(at, delta));
  };

  private readonly up = (event: PointerEvent): void => {
    const two = this.touches.size === 2;
    this.touches.delete(event.pointerId);
    const { drag } = this;
    this.drag = undefined;
    this.viewport.turning.value = false;
    if (event.type === "pointercancel") return this.drafts.cancel();
    if (!two) drag?.end?.(this.at(event));
  };

  private readonly double = (event: MouseEvent): void => {
    if ((event.target as Element).closest("button, input, select, a")) return;
    if (this.drafts.close(this.viewport)) return;
    const { session } = this;
    if (session.viewports.value.length > 1) session.maximized.value = !session.maximized.value;
  };

  private readonly turn = (event: WheelEvent): void => {
    event.preventDefault();
    const { viewport, session } = this;
    session.activeId.value = viewport.id;
    if (event.ctrlKey || viewport.range.value.count < 2) {
      const placement = viewport.placement.value;
      if (placement) viewport.zoomTo(placement.zoom * Math.exp(-event.deltaY / 400), this.image(this.at(event)));
      session.sync.viewed(viewport);
      return;
    }
    // A mouse wheel notch is 100 or 3 lines; a touch pad sends many small steps.
    this.wheel += event.deltaMode === 1 ? event.deltaY * 33 : event.deltaY;
    const steps = Math.trunc(this.wheel / 50) || (Math.abs(event.deltaY) >= 50 ? Math.sign(event.deltaY) : 0);
    if (steps === 0) return;
    this.wheel = 0;
    viewport.scrollBy(Math.abs(event.deltaY) >= 100 ? Math.sign(steps) * Math.max(Math.round(Math.abs(event.deltaY) / 100), 1) : Math.sign(steps));
    session.sync.scrolled(viewport);
  };

  private begin(tool: PointerTool, at: Vec2, event: PointerEvent): Drag | undefined {
    if (this.viewport.source.value?.kind === "volume" && tool !== "pan" && tool !== "zoom") return this.rotate();
    switch (tool) {
      case "window":
        return this.window();
      case "pan":
        return this.pan();
      case "zoom":
        return this.zoom();
      case "scroll":
        return this.scroll();
      case "magnify":
        return this.magnify(at);
      case "crosshair":
        return this.crosshair(at);
      default:
        return this.draw(tool, at, event);
    }
  }

  private window(): Drag {
    const { viewport, session } = this;
    return {
      move: (_, [dx, dy]) => {
        const voi = viewport.voi.value;
        if (!voi) return;
        viewport.chosenVoi.value = dragged(voi, dx, dy);
        session.sync.windowed(viewport);
      },
    };
  }

  /** Turns a rendered volume. */
  private rotate(): Drag {
    const { viewport } = this;
    return {
      move: (_, [dx, dy]) => {
        viewport.turning.value = true;
        const [yaw, pitch] = viewport.turn.value;
        viewport.turn.value = [yaw - dx / 120, Math.min(Math.max(pitch - dy / 120, -1.57), 1.57)];
      },
      end: () => (viewport.turning.value = false),
    };
  }

  private pan(): Drag {
    const { viewport, session } = this;
    return {
      move: (_, [dx, dy]) => {
        viewport.panBy(dx, dy);
        session.sync.viewed(viewport);
      },
    };
  }

  private zoom(): Drag {
    const { viewport, session } = this;
    return {
      move: (_, [, dy]) => {
        const placement = viewport.placement.value;
        if (placement) viewport.zoomTo(placement.zoom * Math.exp(-dy / 150));
        session.sync.viewed(viewport);
      },
    };
  }

  private scroll(): Drag {
    const { viewport, session } = this;
    let rest = 0;
    return {
      move: (_, [, dy]) => {
        // The pane's height runs through the whole stack, but never slower than 12 pixels an image.
        const step = Math.min(Math.max((viewport.rect.value.height * 0.8) / viewport.range.value.count, 2), 12);
        rest += dy / step;
        const whole = Math.trunc(rest);
        if (whole === 0) return;
        rest -= whole;
        viewport.scrollBy(whole);
        session.sync.scrolled(viewport);
      },
    };
  }

  private magnify(at: Vec2): Drag {
    this.drafts.magnifier.value = { viewport: this.viewport, at };
    return {
      move: (to) => (this.drafts.magnifier.value = { viewport: this.viewport, at: to }),
      end: () => (this.drafts.magnifier.value = undefined),
    };
  }

  private pinch(): Drag {
    const { viewport, session } = this;
    const spread = (): { middle: Vec2; size: number } => {
      const [a, b] = [...this.touches.values()] as [Vec2, Vec2];
      return { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], size: Math.max(distance2(a, b), 1) };
    };
    let before = spread();
    return {
      move: () => {
        if (this.touches.size < 2) return;
        const now = spread();
        const placement = viewport.placement.value;
        if (placement) {
          viewport.zoomTo(placement.zoom * (now.size / before.size), this.image(before.middle));
          viewport.panBy(now.middle[0] - before.middle[0], now.middle[1] - before.middle[1]);
          session.sync.viewed(viewport);
        }
        before = now;
      },
    };
  }

  /** Drags the crosshair's point, or turns its lines when they are taken away from the middle. */
  private crosshair(at: Vec2): Drag | undefined {
    const { viewport, session } = this;
    const source = viewport.source.value;
    const plane = viewport.plane.value;
    const toScreen = viewport.toScreen.value;
    if (source?.kind !== "mpr" || !plane || !toScreen) return this.locate(at);
    const middle = apply(toScreen, fromPatient(plane, source.group.center.value).at);
    const line = crosshairLines(viewport, session.viewports.value).find(({ from, to }) => {
      const off = distanceToLine(at, from, to);
      return off < GRAB && distance2(at, middle) > 70;
    });
    if (line) {
      let angle = Math.atan2(at[1] - middle[1], at[0] - middle[0]);
      return {
        move: (to) => {
          const next = Math.atan2(to[1] - middle[1], to[0] - middle[0]);
          const { flipX, flipY } = viewport.chosen.value;
          source.group.rotate(plane.normal, (next - angle) * (flipX !== flipY ? -1 : 1));
          angle = next;
        },
      };
    }
    const go = (to: Vec2): void => {
      const point = this.image(to);
      if (point) source.group.moveTo(toPatient(plane, point), plane.normal);
    };
    go(at);
    return { move: go };
  }

  /** On a stack the crosshair shows the same point of the patient in every other pane. */
  private locate(at: Vec2): Drag | undefined {
    const { viewport, session } = this;
    const go = (to: Vec2): void => {
      const point = this.image(to);
      const plane = viewport.plane.value;
      if (!point || !plane) return;
      const patient = toPatient(plane, point);
      const reference = viewport.frame.value?.frameOfReference;
      this.drafts.located.value = { point: patient, frameOfReference: reference };
      for (const other of session.viewports.value) {
        const stack = other.stack.value;
        if (other === viewport || !stack || other.frame.value?.frameOfReference !== reference) continue;
        let best = -1;
        let least = Infinity;
        stack.frames.forEach((frame, i) => {
          if (!frame.plane) return;
          const off = Math.abs(dot(subtract(patient, frame.plane.origin), frame.plane.normal));
          if (off < least) [best, least] = [i, off];
        });
        if (best >= 0) other.scrollTo(best);
      }
    };
    go(at);
    return { move: go };
  }

  private draw(tool: ToolName, at: Vec2, event: PointerEvent): Drag | undefined {
    const point = this.image(at);
    if (!point || event.button > 0) return undefined;
    return this.drafts.press(this.viewport, tool, point, (to) => this.image(to));
  }

  /** A handle first, then a line: moves one point, or the whole measurement. */
  private grab(at: Vec2, reach: number): Drag | undefined {
    const { session, viewport } = this;
    const toScreen = viewport.toScreen.value;
    const surface = viewport.surface.value;
    if (!toScreen || !surface || !session.showAnnotations.value || this.drafts.drawing(viewport)) return undefined;
    for (const annotation of [...session.annotations.value].reverse()) {
      const points = pointsOn(annotation, viewport.picture.value);
      if (!points) continue;
      const tool = TOOLS[annotation.tool];
      const handles = tool.gesture === "trace" ? [] : points;
      const handle = handles.findIndex((p) => distance2(apply(toScreen, p), at) <= reach);
      if (handle >= 0) {
        session.selected.value = annotation.id;
        return this.hold(annotation, points, (current, to) =>
          tool.move ? tool.move(current, handle, to, surface) : moved(current, handle, to),
        );
      }
      const onLine = tool.strokes(points, surface).some((stroke) => {
        const screen = stroke.points.map((p) => apply(toScreen, p));
        return screen.some((p, i) => {
          const next = screen[i + 1] ?? (stroke.closed ? screen[0] : undefined);
          return next !== undefined && distanceToLine(at, p, next) <= reach * 0.7;
        });
      });
      if (!onLine) continue;
      session.selected.value = annotation.id;
      let from = this.image(at)!;
      return this.hold(annotation, points, (current, to) => {
        const next = current.map(([x, y]): Vec2 => [x + to[0] - from[0], y + to[1] - from[1]]);
        from = to;
        return next;
      });
    }
    session.selected.value = undefined;
    return undefined;
  }

  /** `points` are those on the pane's picture: of a cut, whose plane may lie beside the one drawn on. */
  private hold(annotation: Annotation, points: readonly Vec2[], change: (points: readonly Vec2[], to: Vec2) => readonly Vec2[]): Drag {
    const { target } = annotation;
    const plane = this.viewport.plane.value;
    const here: Target = target.kind === "cut" && plane ? { ...target, plane } : target;
    let current = points;
    return {
      move: (to) => {
        const point = this.image(to);
        if (!point) return;
        const { annotations } = this.session;
        if (annotation.saved) this.session.edited.value = true;
        current = change(current, point);
        annotations.value = annotations.value.map((a) =>
          a.id === annotation.id ? { ...a, target: here, points: current, saved: undefined, recorded: undefined } : a,
        );
      },
    };
  }
}

export function distanceToLine(p: Vec2, a: Vec2, b: Vec2): number {
  const [vx, vy] = [b[0] - a[0], b[1] - a[1]];
  const size = vx * vx + vy * vy;
  const k = size > 0 ? Math.min(Math.max(((p[0] - a[0]) * vx + (p[1] - a[1]) * vy) / size, 0), 1) : 0;
  return Math.hypot(p[0] - a[0] - k * vx, p[1] - a[1] - k * vy);
}
