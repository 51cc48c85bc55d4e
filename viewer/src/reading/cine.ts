// Plays panes as films, in time: a slow machine skips frames rather than slowing down.

import { effect } from "@preact/signals";
import type { Session } from "./session";
import type { Viewport } from "./viewport";

export const DEFAULT_RATE = 15;

export function rateOf(viewport: Viewport): number {
  const own = viewport.stack.value?.frameTime;
  return viewport.cineRate.value || (own ? Math.min(1000 / own, 60) : DEFAULT_RATE);
}

export function togglePlay(viewport: Viewport): void {
  if (viewport.range.value.count < 2) return;
  viewport.playing.value = viewport.playing.value > 0 ? 0 : rateOf(viewport);
}

export function runCine(session: Session): void {
  const clocks = new Map<Viewport, { last: number; direction: 1 | -1 }>();
  let running = false;
  const step = (now: number): void => {
    const playing = session.visible.value.filter((v) => v.playing.value > 0);
    for (const viewport of playing) {
      const clock = clocks.get(viewport) ?? { last: now, direction: 1 };
      clocks.set(viewport, clock);
      const interval = 1000 / viewport.playing.value;
      const due = Math.floor((now - clock.last) / interval);
      if (due < 1) continue;
      clock.last += due * interval;
      advance(viewport, due, clock);
      session.sync.scrolled(viewport);
    }
    for (const viewport of clocks.keys()) if (!playing.includes(viewport)) clocks.delete(viewport);
    running = playing.length > 0;
    if (running) requestAnimationFrame(step);
  };
  effect(() => {
    const any = session.visible.value.some((v) => v.playing.value > 0);
    if (any && !running) {
      running = true;
      requestAnimationFrame(step);
    }
  });
}

function advance(viewport: Viewport, steps: number, clock: { direction: 1 | -1 }): void {
  const { at, count } = viewport.range.value;
  const next = at + steps * clock.direction;
  if (next >= 0 && next < count) return viewport.scrollTo(next);
  switch (viewport.loop.value) {
    case "loop":
      return viewport.scrollTo(((next % count) + count) % count);
    case "bounce":
      clock.direction = clock.direction === 1 ? -1 : 1;
      return viewport.scrollTo(at + clock.direction);
    case "once":
      viewport.scrollTo(count - 1);
      viewport.playing.value = 0;
  }
}
