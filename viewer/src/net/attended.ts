// Whether somebody is at the page. What a page asks by itself is no use of the session, unless
// somebody has touched the page meanwhile: a session that nobody uses ends, whatever pages are open.

let touched = 0;
if (typeof window !== "undefined")
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"])
    window.addEventListener(kind, () => (touched = Date.now()), { capture: true, passive: true });

/** Something that is done again and again: says at each turn whether somebody touched the page since the last. */
export function turns(): () => boolean {
  let last = Date.now();
  return () => {
    const attended = touched >= last;
    last = Date.now();
    return attended;
  };
}
